//! Spectra of weight matrices.

use std::collections::BTreeMap;

use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Lines, Table};
use methods::{Spectrum, WeightMatrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, Result, View};

/// What a file's matrices tell by themselves: singular values, heavy tails, norms, outliers.
///
/// Nothing is run, so any file of tensors will do, also of a network that is not known here or has no `config.json`. The
/// exponent α (alpha) describes the largest eigenvalues λ of WᵀW by a power law λ^−α, fitted as WeightWatcher does. Its
/// authors find 2 to 6 in well-trained layers; above 6 hints at a layer that has learned little, below 2 at one that is
/// dominated by few directions. Outliers are singular values larger than noise of the same size and variance would have;
/// the stable rank Σσ²/σ₁² tells how many directions carry a matrix.
///
/// Caveats: the exponent is a fit, poor where the distance D is large or the tail has few values, and it says nothing
/// about what was learned. As in WeightWatcher, eigenvalues up to 1e-5 are left out, so that it is not quite free of the
/// matrix's scale. Quantised weights are read as they will be used.
///
/// Source: Martin, Peng and Mahoney, "Predicting trends in the quality of state-of-the-art neural networks without access
/// to training or testing data" (2021); WeightWatcher 0.7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spectra {
    /// Only tensors whose names contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Matrices whose shorter side is above this get no singular values: the time they take grows with its cube.
    #[serde(default = "default_largest")]
    #[schemars(range(min = 1))]
    pub largest: usize,
}

fn default_largest() -> usize {
    4096
}

/// One row for each matrix of the file, in the order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Names of the tensors, [row]. Of a stack of matrices, such as experts, each has its index in brackets.
    pub names: Array<String>,
    /// Rows of each matrix as stored, [row].
    pub rows: Array<u32>,
    /// Columns of each matrix as stored, [row].
    pub columns: Array<u32>,
    /// Singular values in falling order, [row, k]; NaN behind the last, and where there are none.
    pub singular_values: Array<f32>,
    /// Exponent α of the power law of the largest eigenvalues σ², [row]; NaN where there are too few.
    pub alpha: Array<f32>,
    /// The eigenvalue that the power law begins at, [row].
    pub xmin: Array<f32>,
    /// Kolmogorov-Smirnov distance D between the tail and the power law, [row].
    pub distance: Array<f32>,
    /// Eigenvalues in the tail, [row]; 0 where nothing was fitted.
    pub tail: Array<u32>,
    /// Frobenius norm √Σw², [row].
    pub frobenius: Array<f32>,
    /// Spectral norm: the largest singular value, [row].
    pub spectral: Array<f32>,
    /// Stable rank Σσ² / σ₁², [row].
    pub stable_rank: Array<f32>,
    /// Singular values above rounding, [row].
    pub rank: Array<u32>,
    /// Entropy of the shares σ² / Σσ², as a fraction of the largest possible, [row]: 1 if all directions are alike.
    pub entropy: Array<f32>,
    /// Singular values larger than 99 % of random normal matrices of that size and variance have any, [row].
    pub outliers: Array<u32>,
    /// Elements more than six standard deviations from the mean, [row].
    pub far_elements: Array<u32>,
}

impl View for Spectra {
    type Output = Output;

    const NEEDS_NETWORK: bool = false;

    fn example() -> Self {
        Self { only: None, largest: default_largest() }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let wanted = |name: &str| self.only.as_deref().is_none_or(|part| name.contains(part));
        let tensors = cx.file().tensors().iter().filter(|(name, _)| wanted(name));
        let matrices: Vec<WeightMatrix> = tensors.flat_map(|(name, tensor)| WeightMatrix::of(name, tensor)).collect();
        if matrices.is_empty() {
            let named = self.only.as_ref().map_or(String::new(), |part| format!(" whose name contains `{part}`"));
            return Err(engine::Error::Input(format!("the file holds no matrix of weights{named}")).into());
        }
        let found = methods::spectra(&matrices, self.largest, &mut |done, of| cx.tick(done, of))?;
        let longest = found.iter().map(|one| one.singular_values.len()).max().unwrap_or(0);
        let padded = |one: &Spectrum| {
            let values: Vec<f32> = one.singular_values.iter().map(|&x| x as f32).collect();
            values.into_iter().chain(std::iter::repeat(f32::NAN)).take(longest).collect::<Vec<_>>()
        };
        let numbers =
            |of: &dyn Fn(&Spectrum) -> f64| Array::vector(Dim::Row, found.iter().map(|one| of(one) as f32).collect());
        let counts =
            |of: &dyn Fn(&Spectrum) -> usize| Array::vector(Dim::Row, found.iter().map(|one| of(one) as u32).collect());
        let sizes = |of: &dyn Fn(&WeightMatrix) -> usize| {
            Array::vector(Dim::Row, matrices.iter().map(|one| of(one) as u32).collect())
        };
        Ok(Output {
            names: Array::vector(Dim::Row, matrices.iter().map(|one| one.name.clone()).collect()),
            rows: sizes(&|one| one.rows),
            columns: sizes(&|one| one.columns),
            singular_values: Array::matrix(
                Dim::Row,
                Dim::K,
                found.len(),
                longest,
                found.iter().flat_map(padded).collect(),
            )?,
            alpha: numbers(&|one| one.tail.map_or(f64::NAN, |tail| tail.alpha)),
            xmin: numbers(&|one| one.tail.map_or(f64::NAN, |tail| tail.xmin)),
            distance: numbers(&|one| one.tail.map_or(f64::NAN, |tail| tail.distance)),
            tail: counts(&|one| one.tail.map_or(0, |tail| tail.count)),
            frobenius: numbers(&|one| one.frobenius),
            spectral: numbers(&|one| one.singular_values.first().copied().unwrap_or(f64::NAN)),
            stable_rank: numbers(&|one| one.stable_rank),
            rank: counts(&|one| one.rank),
            entropy: numbers(&|one| one.entropy),
            outliers: counts(&|one| one.outliers),
            far_elements: counts(&|one| one.far_elements),
        })
    }

    fn draw(output: &Output) -> Figure {
        let curves = by_layer(output).unwrap_or_else(|| singular_values(output));
        Group::new([curves, table(output)])
            .title("Spectra of the weight matrices")
            .caption(
                "Alpha is the exponent of the tail of the squared singular values: 2 to 6 is usual in trained layers. \
                 Outliers are singular values beyond those of noise.",
            )
            .caveat("An exponent is a fit: it means little where D is large or the tail is short.")
            .into()
    }
}

/// Curves that can be told apart.
const MOST_CURVES: usize = 8;

/// A name with its layer's number replaced, and that number: the first whole part between dots that is one.
fn layer_of(name: &str) -> Option<(String, usize)> {
    let parts: Vec<&str> = name.split('.').collect();
    let (at, layer) = parts.iter().enumerate().find_map(|(at, part)| Some((at, part.parse().ok()?)))?;
    let rest = parts[at + 1..].join(".");
    Some((rest.strip_suffix(".weight").unwrap_or(&rest).to_owned(), layer))
}

/// The exponent of each kind of matrix from layer to layer; none where names do not tell layers, or there are too many
/// kinds to draw.
fn by_layer(output: &Output) -> Option<Figure> {
    let mut kinds: BTreeMap<String, BTreeMap<usize, f32>> = BTreeMap::new();
    for (name, &alpha) in output.names.data().iter().zip(output.alpha.data()) {
        if let Some((kind, layer)) = layer_of(name) {
            kinds.entry(kind).or_default().insert(layer, alpha);
        }
    }
    let layers = 1 + kinds.values().flat_map(BTreeMap::keys).max()?;
    // Three layers are the fewest that make a curve; a file numbered far beyond its matrices is not numbered by layers.
    if layers < 3 || kinds.len() > MOST_CURVES || layers > output.names.len() {
        return None;
    }
    let values = kinds.values().flat_map(|alphas| (0..layers).map(|i| alphas.get(&i).copied().unwrap_or(f32::NAN)));
    let y = Array::matrix(Dim::Row, Dim::Layer, kinds.len(), layers, values.collect()).ok()?;
    let lines = Lines::new(y).series(Guide::new("matrix").ticks(kinds.keys().cloned())).y_label("alpha");
    Some(lines.title("Exponent of the tail, layer by layer").x_axis(Guide::new("layer")).into())
}

/// The singular values of the matrices with the largest norms.
fn singular_values(output: &Output) -> Figure {
    let norms = output.frobenius.data();
    let mut order: Vec<usize> = (0..norms.len()).collect();
    order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]).then(a.cmp(&b)));
    order.truncate(MOST_CURVES);
    order.sort_unstable();
    let width = output.singular_values.shape()[1];
    let values = order.iter().flat_map(|&i| &output.singular_values.data()[i * width..][..width]).copied().collect();
    let y =
        Array::matrix(Dim::Row, Dim::K, order.len(), width, values).unwrap_or_else(|_| output.singular_values.clone());
    let names = order.iter().map(|&i| output.names.data()[i].as_str());
    let title = match output.names.len() {
        n if n > MOST_CURVES => format!("Singular values of the {MOST_CURVES} matrices with the largest norms"),
        _ => "Singular values".to_owned(),
    };
    Lines::new(y)
        .series(Guide::new("matrix").ticks(names))
        .x_axis(Guide::new("rank"))
        .y_label("singular value")
        .log_y()
        .title(title)
        .into()
}

fn table(output: &Output) -> Figure {
    let whole = |counts: &Array<u32>| counts.data().iter().map(|&n| f64::from(n)).collect::<Vec<_>>();
    let size = output.rows.data().iter().zip(output.columns.data()).map(|(rows, columns)| format!("{rows}×{columns}"));
    Table::new(Dim::Row)
        .words("matrix", output.names.data().iter().map(String::as_str))
        .words("size", size)
        .floats("alpha", output.alpha.data().iter().copied())
        .decimals(2)
        .coloured(ColourScale::tint().domain(0.0, 10.0).label("alpha"))
        .floats("D", output.distance.data().iter().copied())
        .decimals(3)
        .numbers("tail", whole(&output.tail))
        .decimals(0)
        .floats("σ₁", output.spectral.data().iter().copied())
        .floats("‖W‖", output.frobenius.data().iter().copied())
        .floats("stable rank", output.stable_rank.data().iter().copied())
        .decimals(1)
        .floats("entropy", output.entropy.data().iter().copied())
        .decimals(2)
        .numbers("outliers", whole(&output.outliers))
        .decimals(0)
        .numbers("far", whole(&output.far_elements))
        .decimals(0)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_from_names() {
        let told = |name| layer_of(name).map(|(kind, layer)| format!("{kind} {layer}"));
        assert_eq!(told("model.layers.12.mlp.up_proj.weight").as_deref(), Some("mlp.up_proj 12"));
        assert_eq!(told("blk.3.attn_q.weight").as_deref(), Some("attn_q 3"));
        assert_eq!(told("h.0.mlp.c_fc.weight").as_deref(), Some("mlp.c_fc 0"));
        assert_eq!(told("model.embed_tokens.weight"), None);
        assert_eq!(told("99999999999999999999999.x"), None);
    }
}
