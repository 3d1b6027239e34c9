//! Activation patching: what one activation of one run does in the other (Vig et al. 2020; Meng et al. 2022; Heimersheim
//! and Nanda 2024, arXiv 2404.15255).

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Array, Capture, Captured, Edit, Error, Index, Logits, Op, Plan, PointId, Result, Sweep, Value, Variant, Where,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contrast::Meter;
use crate::{Ask, Contrast, Metric, Subject};

/// What is exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// The residual stream before a block, at one position.
    #[default]
    ResidPre,
    /// The residual stream between a block's attention and its feed-forward layer, at one position.
    ResidMid,
    /// What a block's attention adds, at one position.
    AttnOut,
    /// What a block's feed-forward layer adds, at one position.
    MlpOut,
    /// The result of a head, before it is written to the stream, at all positions.
    Z,
    /// Where a head looks, at all positions.
    Pattern,
    /// All neurons of a block, at one position.
    Neuron,
}

/// Which run is patched with what of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The corrupt run with activations of the clean one: what suffices to bring the behaviour back.
    #[default]
    Denoise,
    /// The clean run with activations of the corrupt one: what is needed for it.
    Noise,
}

/// What is patched, and what is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchOptions {
    /// What is exchanged.
    pub site: Site,
    /// Which way.
    pub direction: Direction,
    /// What is read.
    pub metric: Metric,
    /// With [`Site::Neuron`], a block whose neurons are patched one by one, at all positions.
    pub neurons_of: Option<usize>,
}

/// Effects of all patches.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The blocks.
    pub layers: Vec<usize>,
    /// The patched run's metric, `[layer, pos]`, `[layer, head]` or `[layer, neuron]`.
    pub effect: Vec<f64>,
    /// (patched − corrupt) / (clean − corrupt), mirrored for noise: 1 is all of the way, and NaN where the runs agree.
    pub normalised: Vec<f64>,
    /// The metric of the clean run.
    pub clean_metric: f64,
    /// The metric of the corrupt run.
    pub corrupt_metric: f64,
    /// What was run for it.
    pub plan: Plan,
}

/// Told what is about to be run; its error ends the method.
pub type Planned<'a> = &'a mut dyn FnMut(&Plan) -> Result<()>;

impl Site {
    /// Its point within a block.
    pub fn local(self) -> &'static str {
        match self {
            Self::ResidPre => "resid_pre",
            Self::ResidMid => "resid_mid",
            Self::AttnOut => "attn_out",
            Self::MlpOut => "mlp_out",
            Self::Z => "attn.z",
            Self::Pattern => "attn.pattern",
            Self::Neuron => "mlp.post",
        }
    }

    /// Whether heads are exchanged, at all positions.
    pub fn is_of_heads(self) -> bool {
        matches!(self, Self::Z | Self::Pattern)
    }
}

/// The axis along which patches of a block differ, and its length.
fn cells(subject: &Subject<'_>, options: PatchOptions, points: &[PointId]) -> Result<(&'static str, usize)> {
    let axis = |dim: engine::Dim| {
        points.first().and_then(|id| subject.model.spec().points[id.index()].len_of(dim)).unwrap_or(0)
    };
    match (options.site, options.neurons_of) {
        (Site::Neuron, Some(_)) => Ok(("neuron", axis(engine::Dim::Neuron))),
        (_, Some(_)) => Err(Error::Input("neurons one by one are patched with the site neuron alone".into())),
        (site, None) if site.is_of_heads() => Ok(("head", axis(engine::Dim::Head))),
        _ => Ok(("pos", subject.tokens.len())),
    }
}

/// Patches every block at every position (or head, or neuron), each by itself. The subject's own prompt has no meaning
/// here; its edits hold in both runs.
pub fn activation_patching(
    subject: Subject<'_>,
    contrast: &Contrast,
    options: PatchOptions,
    planned: Planned<'_>,
    tick: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<Patched> {
    let spec = subject.model.spec();
    let subject = Subject { tokens: &contrast.clean, kept: None, ..subject };
    contrast.check(subject.vocabulary()?)?;
    let layers: Vec<usize> = options.neurons_of.map_or_else(|| (0..spec.sizes.n_layers).collect(), |layer| vec![layer]);
    let point = |layer: &usize| {
        let name = format!("blocks.{layer}.{}", options.site.local());
        let unknown = || Error::Input(format!("the model has no point `{name}`: its blocks have no such site"));
        spec.point(&name).ok_or_else(unknown)
    };
    let points: Vec<PointId> = layers.iter().map(point).collect::<Result<_>>()?;
    let (axis, each) = cells(&subject, options, &points)?;
    let stem = match options.direction {
        Direction::Denoise => &contrast.corrupt,
        Direction::Noise => &contrast.clean,
    };
    let (meter, [from_clean, from_corrupt]) = subject.both(contrast, options.metric, &points)?;
    let (donated, received) = match options.direction {
        Direction::Denoise => (from_clean, from_corrupt),
        Direction::Noise => (from_corrupt, from_clean),
    };
    let mut variants = Vec::with_capacity(points.len() * each);
    for (id, (captured, receives)) in points.iter().zip(donated.iter().zip(&received)) {
        let (axes, shape) = captured.shape(0);
        let array = Arc::new(Array { axes: Some(axes), shape, data: captured.prompt(0) });
        let name = &spec.points[id.index()].name;
        // Where both runs have the same bits nothing is exchanged: up to the first token that differs, at least.
        let firsts = first_differences(&array, &receives.prompt(0), axis, each);
        let loaded = Value::Loaded(BTreeMap::from([(name.clone(), array)]));
        for (cell, first) in firsts.into_iter().enumerate() {
            let edit = |first: usize| {
                let mut at = BTreeMap::from([(axis.to_owned(), vec![Index::At(cell as i64)])]);
                if axis != "pos" {
                    at.insert("pos".to_owned(), vec![Index::Range(Some(first as i64), None)]);
                }
                Ok(Edit { point: name.parse()?, at: Where(at), op: Op::Patch(loaded.clone()) })
            };
            let edits = first.map(edit).into_iter().collect::<Result<_>>()?;
            variants.push(Variant { stem: 0, edits });
        }
    }
    let mut sweep = Sweep::new(subject.model, vec![meter.stem(stem)])?.edits(subject.edits);
    if let Some(bytes) = subject.memory {
        sweep = sweep.memory(bytes);
    }
    let plan = sweep.plan(&variants)?;
    planned(&plan)?;
    let mut effect = vec![f64::NAN; variants.len()];
    sweep.run_planned(&plan, &variants, tick, &mut |i, logits| {
        effect[i] = meter.read(logits);
        Ok(())
    })?;
    if effect.iter().any(|x| !x.is_finite()) {
        return Err(subject.not_finite());
    }
    let share = |&value: &f64| match options.direction {
        Direction::Denoise => meter.ends.share(value),
        Direction::Noise => 1.0 - meter.ends.share(value),
    };
    Ok(Patched {
        layers,
        normalised: effect.iter().map(share).collect(),
        effect,
        clean_metric: meter.ends.clean,
        corrupt_metric: meter.ends.corrupt,
        plan,
    })
}

/// For each of the entries of an axis, the first position at which two runs differ there; `None` if at none.
fn first_differences(a: &Array, b: &[f32], axis: &str, entries: usize) -> Vec<Option<usize>> {
    let mut firsts = vec![None; entries];
    let axes = a.axes.as_deref().unwrap_or_default();
    let along = |named: &str| axes.iter().position(|axis| axis.answers_to(named));
    let (Some(at), Some(rows)) = (along(axis), along("pos")) else { return firsts };
    let index = |i: usize, of: usize| i / a.shape[of + 1..].iter().product::<usize>() % a.shape[of];
    let differ = |(_, (a, b)): &(usize, (&f32, &f32))| a.to_bits() != b.to_bits();
    for (i, _) in a.data.iter().zip(b).enumerate().filter(differ) {
        let (entry, row) = (index(i, at), index(i, rows));
        let first: &mut Option<usize> = &mut firsts[entry];
        *first = Some(first.map_or(row, |first| first.min(row)));
    }
    firsts
}

impl Subject<'_> {
    /// Runs both prompts: the metric, calibrated, and some points, in the model's order, of the clean and the corrupt run.
    pub(crate) fn both<'c>(
        &self,
        contrast: &'c Contrast,
        metric: Metric,
        points: &[PointId],
    ) -> Result<(Meter<'c>, [Vec<Captured>; 2])> {
        let run = |tokens: &[u32]| {
            let mut capture = Capture::of(points.to_vec());
            let subject = Subject { tokens, ..*self };
            let wanted =
                if contrast.asks.iter().all(|ask| ask.pos + 1 == tokens.len()) { Logits::Last } else { Logits::All };
            let logits = subject.run(wanted)?.tap(&mut capture)?.logits;
            let logits = logits.ok_or_else(|| Error::Input("the pass gave no logits".into()))?;
            let (all, width) = (logits.to_f32(), self.vocabulary()?);
            let row = |ask: &Ask| if wanted == Logits::Last { 0 } else { ask.pos };
            let rows =
                contrast.asks.iter().map(row).flat_map(|row| all[row * width..(row + 1) * width].iter().copied());
            let rows: Vec<f32> = rows.collect();
            if rows.iter().any(|x| !x.is_finite()) {
                return Err(subject.not_finite());
            }
            Ok((rows, capture.into_all()))
        };
        let (clean, from_clean) = run(&contrast.clean)?;
        let (corrupt, from_corrupt) = run(&contrast.corrupt)?;
        Ok((Meter::new(metric, &contrast.asks, &clean, &corrupt), [from_clean, from_corrupt]))
    }
}
