//! What files call the tensors that play each part.

use crate::build::Placed;

/// Where the files of a decoder family keep each part: Hugging Face's names from the family's own table, GGUF's from
/// one for all, since its converters give the same names to every family.
///
/// A part is `embed`, `positions`, `ln_final`, `unembed`, and in a block `ln1`, `ln1_post`, `attn.q`, `attn.k`,
/// `attn.v`, `attn.o`, `attn.q_norm`, `attn.k_norm`, `ln2`, `ln2_post`, `mlp.gate`, `mlp.up`, `mlp.down`; its tensors
/// are `PART.weight` and `PART.bias`. In the tables `{i}` stands for the block.
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
    ("attn.q", "blk.{i}.attn_q"),
    ("attn.k", "blk.{i}.attn_k"),
    ("attn.v", "blk.{i}.attn_v"),
    ("attn.o", "blk.{i}.attn_output"),
    ("attn.q_norm", "blk.{i}.attn_q_norm"),
    ("attn.k_norm", "blk.{i}.attn_k_norm"),
    ("ln2", "blk.{i}.ffn_norm"),
    ("ln2_post", "blk.{i}.post_ffw_norm"),
    ("mlp.gate", "blk.{i}.ffn_gate"),
    ("mlp.up", "blk.{i}.ffn_up"),
    ("mlp.down", "blk.{i}.ffn_down"),
];

impl Names {
    /// Where a whole tensor is kept; `None` if the family's table has no such part.
    pub(crate) fn place(&self, layer: Option<usize>, part: &str) -> Option<Placed> {
        let (role, suffix) = part.rsplit_once('.')?;
        let find = |table: &[(&str, &str)]| {
            let (_, name) = table.iter().find(|(known, _)| *known == role)?;
            let name = layer.map_or_else(|| (*name).to_owned(), |i| name.replace("{i}", &i.to_string()));
            Some(format!("{name}.{suffix}"))
        };
        let parameter = find(self.hugging_face)?;
        let name = if self.gguf { find(GGUF)? } else { parameter.clone() };
        Some(Placed { parameter, name, ..Placed::default() })
    }
}

impl Placed {
    /// A piece of a fused tensor of `of` rows: the given rows.
    pub(crate) fn piece(mut self, name: &str, rows: impl IntoIterator<Item = usize>, of: usize) -> Self {
        self.parameter = format!("{}[{name}]", self.parameter);
        self.rows = Some(rows.into_iter().map(|row| row as u32).collect());
        self.of = Some(of);
        self
    }
}
