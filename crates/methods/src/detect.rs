//! Heads whose pattern resembles one that is looked for: a named one, or any given as a matrix.
//!
//! The measures are those of TransformerLens's `detect_head`.

/// A kind of head, by what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The token before.
    Previous,
    /// Earlier occurrences of the same token.
    Duplicate,
    /// What came after earlier occurrences of the same token.
    Induction,
    /// The first token.
    First,
}

/// How a head's pattern is compared with the one that is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Σ attention · wanted / Σ attention: the share of all attention that lies where it is wanted.
    #[default]
    Mul,
    /// 1 − mean over destinations of Σ |attention − wanted|: 1 where the two are equal, 0 or less where they have nothing
    /// in common.
    Abs,
}

/// How a pattern is compared, and which of its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The measure.
    pub measure: Measure,
    /// Leaves out attention to the first token, where heads look that have nothing to do.
    pub exclude_first: bool,
    /// Leaves out attention of each token to itself.
    pub exclude_current: bool,
}

impl Kind {
    /// What a head of this kind looks at in a text: `[pos/dst, pos/src]` of zeros and ones, nothing above the diagonal.
    pub fn wanted(self, tokens: &[u32]) -> Vec<f32> {
        let n = tokens.len();
        let looks = |dst: usize, src: usize| match self {
            Self::Previous => src + 1 == dst,
            Self::Duplicate => src < dst && tokens[src] == tokens[dst],
            Self::Induction => (1..=dst).contains(&src) && tokens[src - 1] == tokens[dst],
            Self::First => src == 0 && dst > 0,
        };
        (0..n * n).map(|cell| if looks(cell / n, cell % n) { 1.0 } else { 0.0 }).collect()
    }
}

impl Match {
    /// The score of a head's pattern beside the one that is wanted, both `[pos/dst, pos/src]`. NaN where no attention is
    /// left to be compared.
    pub fn score(&self, pattern: &[f32], wanted: &[f32], positions: usize) -> f64 {
        let counts = |cell: &usize| {
            let (dst, src) = (cell / positions, cell % positions);
            !(self.exclude_first && src == 0 || self.exclude_current && src == dst)
        };
        let cells = || {
            let counted = (0..positions * positions).filter(counts);
            counted.map(|cell| (f64::from(pattern[cell]), f64::from(wanted[cell])))
        };
        match self.measure {
            Measure::Mul => cells().map(|(a, w)| a * w).sum::<f64>() / cells().map(|(a, _)| a).sum::<f64>(),
            Measure::Abs => 1.0 - cells().map(|(a, w)| (a - w).abs()).sum::<f64>() / positions as f64,
        }
    }
}
