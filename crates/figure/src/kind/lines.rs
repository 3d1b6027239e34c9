//! Curves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::guide::Guide;
use crate::number::optional_pair;

/// Curves over a common x: a loss over steps, a value over layers for several heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lines {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The heights, axes `[x]` for one curve or `[series, x]`. NaN leaves a gap.
    pub y: Array<f32>,
    /// The places along x, as many as the last axis of `y` is long. Nothing: 0, 1, 2, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<Array<f64>>,
    /// Lower and upper edge of a band around each curve, each of the shape of `y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<[Array<f32>; 2]>,
    /// One name per curve.
    #[serde(default)]
    pub series: Guide,
    /// Along x; its ticks name the places, where they have names.
    #[serde(default)]
    pub x_axis: Guide,
    /// The label of the y axis, with the unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub y_label: String,
    /// The heights at the ends of the y axis. Nothing: the lowest and highest shown.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_pair")]
    #[schemars(with = "Option<[f64; 2]>")]
    pub y_domain: Option<[f64; 2]>,
    /// How x is spaced.
    #[serde(default)]
    pub x_scale: Scale,
    /// How y is spaced.
    #[serde(default)]
    pub y_scale: Scale,
}

/// How a numeric axis is spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By powers of ten. Values at or below zero are left out.
    Log,
}

impl Lines {
    /// Curves with these heights.
    pub fn new(y: Array<f32>) -> Self {
        Lines {
            about: About::default(),
            y,
            x: None,
            band: None,
            series: Guide::default(),
            x_axis: Guide::default(),
            y_label: String::new(),
            y_domain: None,
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
        }
    }

    /// Sets the places along x.
    pub fn x(mut self, x: Array<f64>) -> Self {
        self.x = Some(x);
        self
    }

    /// Draws a band around each curve.
    pub fn band(mut self, low: Array<f32>, high: Array<f32>) -> Self {
        self.band = Some([low, high]);
        self
    }

    /// Names the curves.
    pub fn series(mut self, series: Guide) -> Self {
        self.series = series;
        self
    }

    /// Sets what is written along x.
    pub fn x_axis(mut self, x_axis: Guide) -> Self {
        self.x_axis = x_axis;
        self
    }

    /// Sets the label of the y axis.
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Fixes the heights at the ends of the y axis.
    pub fn y_domain(mut self, low: f64, high: f64) -> Self {
        self.y_domain = Some([low, high]);
        self
    }

    /// Spaces x by powers of ten.
    pub fn log_x(mut self) -> Self {
        self.x_scale = Scale::Log;
        self
    }

    /// Spaces y by powers of ten.
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }
}

/// How the heights of curves are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) series: usize,
    pub(crate) places: usize,
}

impl Lines {
    /// Number of curves and of places along x, whatever the rank of the heights.
    pub(crate) fn plot(&self) -> Plot {
        match *self.y.shape() {
            [] => Plot { series: 1, places: 1 },
            [ref leading @ .., places] => Plot { series: leading.iter().product(), places },
        }
    }

    /// Where a place is along x.
    pub(crate) fn x_at(&self, place: usize) -> f64 {
        match &self.x {
            Some(x) => x.data().get(place).copied().unwrap_or(f64::NAN),
            None => place as f64,
        }
    }

    /// Whether places along x are counted, so that none lies between two whole numbers.
    pub(crate) fn counts(&self) -> bool {
        let whole = |x: &Array<f64>| x.data().iter().all(|x| x.fract() == 0.0);
        self.x_scale == Scale::Linear && self.x.as_ref().is_none_or(whole)
    }

    /// The heights that the y axis has to hold.
    pub(crate) fn heights(&self) -> Vec<f64> {
        if let Some(ends) = self.y_domain {
            return ends.to_vec();
        }
        let band = self.band.iter().flatten().flat_map(Array::data);
        self.y.data().iter().chain(band).map(|&y| f64::from(y)).collect()
    }

    /// The label of the x axis, else the name of the array's axis.
    pub(crate) fn x_label(&self) -> String {
        if self.x_axis.label.is_empty() {
            self.y.dims().last().map(ToString::to_string).unwrap_or_default()
        } else {
            self.x_axis.label.clone()
        }
    }
}

describe!(Lines);
