//! What files call the tensors that play each part.

use crate::Config;
use crate::build::Placed;

/// Where the files of a decoder family keep each part: Hugging Face's names from the family's own table, GGUF's from
/// one for all, since its converters give the same names to every family.
///
/// A part is `embed`, `positions`, `ln_final`, `unembed`, and in a block `ln1`, `ln1_post`, `attn.q`, `attn.k`,
/// `attn.v`, `attn.o`, `attn.q_norm`, `attn.k_norm`, `ln2`, `ln2_post`, `mlp.gate`, `mlp.up`, `mlp.down`; its tensors
/// are `PART.weight` and `PART.bias`. A mixture of experts has `mlp.router`, `mlp.experts.{e}.gate` and so on for each
/// expert, `mlp.shared.gate` and so on, and `mlp.shared.router`. Tables also know the fused `attn.qkv` and `mlp.gate_up`,
/// of which parts are pieces. In them `{i}` stands for the block, `{e}` for the expert; GGUF keeps the matrices of all
/// experts in one stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    /// Part, and what Hugging Face calls it.
    pub(crate) hugging_face: &'static [(&'static str, &'static str)],
    /// Whether the file is a GGUF one.
    pub(crate) gguf: bool,
}

const GGUF: &[(&str, &str)] = &[
    ("embed", "token_embd"),
    ("positions", "position_embd"),
    ("ln_final", "output_norm"),
    ("unembed", "output"),
    ("ln1", "blk.{i}.attn_norm"),
    ("ln1_post", "blk.{i}.post_attention_norm"),
    ("attn.qkv", "blk.{i}.attn_qkv"),
    ("attn.q", "blk.{i}.attn_q"),
    ("attn.k", "blk.{i}.attn_k"),
    ("attn.v", "blk.{i}.attn_v"),
    ("attn.o", "blk.{i}.attn_output"),
    ("attn.q_norm", "blk.{i}.attn_q_norm"),
    ("attn.k_norm", "blk.{i}.attn_k_norm"),
    ("ln2", "blk.{i}.ffn_norm"),
    ("ln2_post", "blk.{i}.post_ffw_norm"),
    ("mlp.gate_up", "blk.{i}.ffn_up"),
    ("mlp.gate", "blk.{i}.ffn_gate"),
    ("mlp.up", "blk.{i}.ffn_up"),
    ("mlp.down", "blk.{i}.ffn_down"),
    ("mlp.router", "blk.{i}.ffn_gate_inp"),
    ("mlp.experts.{e}.gate", "blk.{i}.ffn_gate_exps"),
    ("mlp.experts.{e}.up", "blk.{i}.ffn_up_exps"),
    ("mlp.experts.{e}.down", "blk.{i}.ffn_down_exps"),
    ("mlp.shared.gate", "blk.{i}.ffn_gate_shexp"),
    ("mlp.shared.up", "blk.{i}.ffn_up_shexp"),
    ("mlp.shared.down", "blk.{i}.ffn_down_shexp"),
    ("mlp.shared.router", "blk.{i}.ffn_gate_inp_shexp"),
];

impl Names {
    /// Of a family's table, for the kind of file that a configuration is from.
    pub(crate) fn new(hugging_face: &'static [(&'static str, &'static str)], config: &Config) -> Self {
        Self { hugging_face, gguf: config.is_gguf() }
    }

    /// Where a whole tensor is kept; `None` if the family's table has no such part.
    pub(crate) fn place(&self, layer: Option<usize>, part: &str) -> Option<Placed> {
        let (role, suffix) = part.rsplit_once('.')?;
        let expert = expert(part).map(|e| e.to_string());
        let role = expert.as_ref().map_or_else(|| role.to_owned(), |e| role.replace(&format!(".{e}."), ".{e}."));
        let find = |table: &[(&str, &str)]| {
            let (_, name) = table.iter().find(|(known, _)| *known == role)?;
            let mut name = format!("{name}.{suffix}");
            for (mark, number) in [("{i}", layer.map(|i| i.to_string())), ("{e}", expert.clone())] {
                if let Some(number) = number {
                    name = name.replace(mark, &number);
                }
            }
            Some(name)
        };
        let parameter = find(self.hugging_face)?;
        let name = if self.gguf { find(GGUF)? } else { parameter.clone() };
        Some(Placed { parameter, name, ..Placed::default() })
    }

    /// If `part` is a piece of a fused one: which, and where the whole is kept.
    pub(crate) fn fused(&self, layer: Option<usize>, part: &str, (whole, pieces): Fused) -> Option<(usize, Placed)> {
        let (role, suffix) = part.rsplit_once('.')?;
        let which = pieces.iter().position(|piece| *piece == role)?;
        Some((which, self.place(layer, &format!("{whole}.{suffix}"))?))
    }
}

/// The expert that a part belongs to: 3 for `mlp.experts.3.gate.weight`.
pub(crate) fn expert(part: &str) -> Option<usize> {
    part.strip_prefix("mlp.experts.")?.split('.').next()?.parse().ok()
}

/// A part that stands for several, and those.
type Fused = (&'static str, &'static [&'static str]);

/// Queries, keys and values in one matrix.
pub(crate) const QKV: Fused = ("attn.qkv", &["attn.q", "attn.k", "attn.v"]);

/// Both branches of a gated feed-forward layer in one matrix.
pub(crate) const GATE_UP: Fused = ("mlp.gate_up", &["mlp.gate", "mlp.up"]);

impl Placed {
    /// A piece of a fused tensor of `of` rows: the given rows.
    pub(crate) fn piece(mut self, name: &str, rows: impl IntoIterator<Item = usize>, of: usize) -> Self {
        self.parameter = format!("{}[{name}]", self.parameter);
        self.rows = Some(rows.into_iter().map(|row| row as u32).collect());
        self.of = Some(of);
        self
    }

    /// Piece `which` of a fused tensor whose pieces lie one after the other and have so many rows.
    pub(crate) fn slice(self, (_, pieces): Fused, which: usize, rows: &[usize]) -> Self {
        let name = pieces[which].rsplit('.').next().unwrap_or_default();
        let start: usize = rows[..which].iter().sum();
        self.piece(name, start..start + rows[which], rows.iter().sum())
    }
}
