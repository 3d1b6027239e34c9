//! What a configuration says about rotation: how many elements of a head rotate, from which base, stretched how.

use kernels::RopeStyle;

use crate::blocks::rope::{Rope, Scaling};
use crate::config::Fields;
use crate::{Config, Error, Result, Weights};

impl Rope {
    /// From a `config.json`, in its older form (`rope_theta`, `rope_scaling`; GPT-NeoX has `rotary_emb_base` and
    /// `rotary_pct`) or the newer one (`rope_parameters`), or from a GGUF file. `share` of each head rotates unless it
    /// says otherwise.
    pub(crate) fn read(config: &Config, weights: &mut Weights, d_head: usize, share: f64) -> Result<Self> {
        let f = config.fields();
        let first = |paths: [&str; 3]| paths.iter().find_map(|path| f.number(path).transpose()).transpose();
        let (base, rotary, scaling) = if config.is_gguf() {
            let rotary = f.optional_size("rope.dimension_count")?;
            (f.number("rope.freq_base")?, rotary.unwrap_or(d_head), Scaling::from_gguf(&f, weights)?)
        } else {
            let base = first(["rope_parameters/rope_theta", "rope_theta", "rotary_emb_base"])?;
            let own = first(["rope_parameters/partial_rotary_factor", "partial_rotary_factor", "rotary_pct"])?;
            let rotary = (d_head as f64 * own.unwrap_or(share)) as usize;
            let section = if f.has("rope_parameters") { "rope_parameters" } else { "rope_scaling" };
            (base, rotary, Scaling::from_hugging_face(&f, section)?)
        };
        if rotary == 0 || rotary > d_head || d_head > 1 << 20 {
            return Err(Error::Config(format!("{rotary} elements of a head of {d_head} cannot be rotated in pairs")));
        }
        Ok(Self::new(rotary, base.unwrap_or(10_000.0), &scaling, RopeStyle::Halves))
    }
}

impl Scaling {
    /// From a section of a `config.json`: `rope_parameters` or the older `rope_scaling`.
    pub(crate) fn from_hugging_face(f: &Fields<'_>, section: &str) -> Result<Self> {
        let number = |name: &str| f.number(&format!("{section}/{name}"));
        let kind = f.text(&format!("{section}/rope_type")).or_else(|| f.text(&format!("{section}/type")));
        let need = |name: &str| number(name)?.ok_or_else(|| lacks(name));
        let n_ctx = f.number("max_position_embeddings")?;
        let original = || {
            let own = number("original_max_position_embeddings")?.or(f.number("original_max_position_embeddings")?);
            Ok::<_, Error>(own.or(n_ctx).unwrap_or(2048.0))
        };
        let factors = |name: &str| f.numbers(&format!("{section}/{name}"))?.ok_or_else(|| lacks(name));
        match kind {
            // Dynamic scaling begins beyond the context that the model was made for, which no run may exceed.
            None | Some("default" | "dynamic") => Ok(Self::None),
            Some("linear") => Ok(Self::Linear { factor: need("factor")? }),
            Some("llama3") => Ok(Self::Llama3 {
                factor: need("factor")?,
                low: need("low_freq_factor")?,
                high: need("high_freq_factor")?,
                original: original()?,
            }),
            // The first Phi-3 files call it `su` or `yarn`.
            Some("longrope" | "su" | "yarn") if f.has(&format!("{section}/short_factor")) => {
                let (short, long, original) = (factors("short_factor")?, factors("long_factor")?, original()?);
                let factor = number("factor")?.or(n_ctx.map(|n| n / original)).unwrap_or(1.0);
                Self::long(short, long, original, factor, number("attention_factor")?)
            }
            Some("yarn") => {
                let factor = need("factor")?;
                Ok(Self::Yarn {
                    factor,
                    beta_fast: number("beta_fast")?.unwrap_or(32.0),
                    beta_slow: number("beta_slow")?.unwrap_or(1.0),
                    original: original()?,
                    attention: number("attention_factor")?.unwrap_or_else(|| yarn_attention(factor)),
                    truncate: f.flag(&format!("{section}/truncate")).unwrap_or(true),
                })
            }
            Some(other) => Err(Error::Config(format!("rope type `{other}` is not supported"))),
        }
    }

    /// From a GGUF file's keys, and the tensors in which it keeps factors.
    fn from_gguf(f: &Fields<'_>, weights: &mut Weights) -> Result<Self> {
        let mut factors =
            |name: &str| -> Option<Vec<f64>> { Some(weights.take_values(name)?.into_iter().map(f64::from).collect()) };
        let factor = f.number("rope.scaling.factor")?.unwrap_or(1.0);
        let original = f.number("rope.scaling.original_context_length")?;
        let attention = f.number("rope.scaling.attn_factor")?;
        if let Some(factors) = factors("rope_freqs.weight") {
            return Ok(Self::Factors(factors));
        }
        if let (Some(short), Some(long)) = (factors("rope_factors_short.weight"), factors("rope_factors_long.weight")) {
            let n_ctx = f.number("context_length")?.unwrap_or(1.0);
            let original = original.unwrap_or(n_ctx);
            return Self::long(short, long, original, n_ctx / original, attention);
        }
        match f.text("rope.scaling.type") {
            None | Some("none") => Ok(Self::None),
            Some("linear") => Ok(Self::Linear { factor }),
            Some("yarn") => Ok(Self::Yarn {
                factor,
                beta_fast: 32.0,
                beta_slow: 1.0,
                original: original.ok_or_else(|| lacks("rope.scaling.original_context_length"))?,
                attention: yarn_attention(factor),
                truncate: true,
            }),
            Some(other) => Err(Error::Config(format!("rope scaling `{other}` is not supported"))),
        }
    }

    fn long(short: Vec<f64>, long: Vec<f64>, original: f64, factor: f64, attention: Option<f64>) -> Result<Self> {
        if short.len() != long.len() || original <= 1.0 {
            return Err(Error::Config(format!(
                "rotation has {} factors for short texts, {} for long ones, and an original context of {original}",
                short.len(),
                long.len()
            )));
        }
        // As f32, in which GGUF files keep them and networks were trained with them.
        let rounded = |x: f64| f64::from(x as f32);
        let (short, long) = (short.into_iter().map(rounded).collect(), long.into_iter().map(rounded).collect());
        let usual = || if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
        Ok(Self::Long { short, long, original: original as usize, attention: rounded(attention.unwrap_or_else(usual)) })
    }
}

fn lacks(name: &str) -> Error {
    Error::Config(format!("the scaling of rotations needs `{name}`"))
}

/// The temperature of `YaRN`, folded into cos and sin.
fn yarn_attention(factor: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 }
}
