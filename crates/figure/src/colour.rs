//! How values become colours: data only, the tables are in `render::palette`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number::optional_pair;

/// Which way colours run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColourMap {
    /// Dark to bright, perceptually uniform: for magnitudes.
    #[default]
    Sequential,
    /// The page's own background to one hue: for probabilities behind text, which stays readable.
    Tint,
    /// Blue through white to red with white at zero: for signed values. The domain is symmetric.
    Diverging,
}

/// A colour map and the values at its ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ColourScale {
    /// Which way colours run.
    #[serde(default)]
    pub map: ColourMap,
    /// The values at the two ends. Nothing: the smallest and largest finite value shown, and zero with
    /// them for `tint`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_pair")]
    #[schemars(with = "Option<[f64; 2]>")]
    pub domain: Option<[f64; 2]>,
    /// What the values are, with their unit: the title of the legend.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

impl ColourScale {
    /// Magnitudes, dark to bright.
    pub fn sequential() -> Self {
        ColourScale::default()
    }

    /// Probabilities behind text.
    pub fn tint() -> Self {
        ColourScale { map: ColourMap::Tint, ..ColourScale::default() }
    }

    /// Signed values with white at zero.
    pub fn diverging() -> Self {
        ColourScale { map: ColourMap::Diverging, ..ColourScale::default() }
    }

    /// Fixes the values at the two ends.
    pub fn domain(mut self, low: f64, high: f64) -> Self {
        self.domain = Some([low, high]);
        self
    }

    /// Sets the legend's title.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The finite values at the two ends for these data, low below high, whatever the data are.
    pub fn ends(&self, values: impl IntoIterator<Item = f64>) -> [f64; 2] {
        let given = self.domain.filter(|[low, high]| low.is_finite() && high.is_finite());
        let [mut low, mut high] = given.unwrap_or_else(|| {
            let finite = values.into_iter().filter(|x| x.is_finite());
            let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], x| [l.min(x), h.max(x)]);
            match self.map {
                _ if low > high => [0.0, 1.0],
                ColourMap::Tint => [low.min(0.0), high.max(0.0)],
                ColourMap::Sequential | ColourMap::Diverging => [low, high],
            }
        });
        if low > high {
            std::mem::swap(&mut low, &mut high);
        }
        if self.map == ColourMap::Diverging {
            let reach = low.abs().max(high.abs());
            [low, high] = [-reach, reach];
        }
        if low == high {
            // One value only: any width will do, so long as the ends stay finite and apart.
            let reach = if low == 0.0 { 1.0 } else { (low.abs() * 0.5).max(f64::MIN_POSITIVE) };
            [low, high] = [low - reach, (high + reach).min(f64::MAX)];
        }
        [low.max(f64::MIN / 4.0), high.min(f64::MAX / 4.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_finite_and_apart_for_any_data() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for map in [ColourMap::Sequential, ColourMap::Tint, ColourMap::Diverging] {
            let scale = ColourScale { map, ..ColourScale::default() };
            for data in [&odd[..], &[], &[3.0], &[f64::MAX, f64::MIN], &[f64::MIN_POSITIVE], &[0.0, 0.0]] {
                let [low, high] = scale.ends(data.iter().copied());
                assert!(
                    low.is_finite() && high.is_finite() && low < high && (high - low).is_finite(),
                    "{map:?} {data:?}"
                );
            }
        }
        assert_eq!(ColourScale::diverging().ends([-1.0, 3.0]), [-3.0, 3.0]);
        assert_eq!(ColourScale::tint().ends([0.2, 0.9]), [0.0, 0.9]);
        assert_eq!(ColourScale::sequential().domain(1.0, 0.0).ends([5.0]), [0.0, 1.0]);
    }
}
