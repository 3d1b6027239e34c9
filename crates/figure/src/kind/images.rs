//! Pictures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::axis::Dim;
use crate::colour::ColourScale;
use crate::render::palette::{self, Rgb};

/// Pictures: three or four channels are red, green, blue (and opacity) from 0 to 1; one channel, or no
/// channel axis, goes through the colour scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Images {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The pixels. The axes are found by name: `y` and `x` are needed, `channel` may be there, and
    /// whatever other axes there are count the pictures.
    pub pixels: Array<f32>,
    /// How the values of single-channel pictures become colours.
    #[serde(default)]
    pub colour: ColourScale,
    /// A name under each picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Images {
    /// Pictures of these pixels.
    pub fn new(pixels: Array<f32>) -> Self {
        Images { about: About::default(), pixels, colour: ColourScale::default(), names: Vec::new() }
    }

    /// Says how the values of single-channel pictures become colours.
    pub fn colour(mut self, colour: ColourScale) -> Self {
        self.colour = colour;
        self
    }

    /// Names the pictures.
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }
}

/// Pictures found in an array of pixels.
pub(crate) struct Stack<'a> {
    figure: &'a Images,
    ends: [f64; 2],
    /// For each picture, where its first pixel is.
    first: Vec<usize>,
    /// How far apart neighbours along y, x and channel are in the data.
    steps: [usize; 3],
    pub(crate) pictures: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    channels: usize,
}

impl Images {
    /// The pictures, or nothing where there is no `y` or no `x` axis, or no pixel.
    pub(crate) fn stack(&self) -> Option<Stack<'_>> {
        let (dims, shape) = (self.pixels.dims(), self.pixels.shape());
        let step = |axis: usize| shape[axis + 1..].iter().product::<usize>();
        let find = |dim: Dim| dims.iter().position(|axis| axis.dim == dim);
        let (y, x, channel) = (find(Dim::Y)?, find(Dim::X)?, find(Dim::Channel));
        if self.pixels.is_empty() {
            return None;
        }
        let mut first = vec![0];
        for axis in (0..dims.len()).filter(|&axis| axis != y && axis != x && Some(axis) != channel) {
            first = first.iter().flat_map(|&at| (0..shape[axis]).map(move |i| at + i * step(axis))).collect();
        }
        Some(Stack {
            figure: self,
            ends: self.colour.ends(self.pixels.data().iter().map(|&value| f64::from(value))),
            pictures: first.len(),
            first,
            steps: [step(y), step(x), channel.map_or(0, step)],
            height: shape[y],
            width: shape[x],
            channels: channel.map_or(1, |axis| shape[axis]),
        })
    }
}

impl Stack<'_> {
    /// The values of a pixel, channel by channel.
    pub(crate) fn values(&self, picture: usize, row: usize, column: usize) -> impl Iterator<Item = f32> {
        let [down, across, deep] = self.steps;
        let at = self.first[picture] + row * down + column * across;
        (0..self.channels).map(move |channel| self.figure.pixels.data()[at + channel * deep])
    }

    /// The colour of a pixel. Opacity is over white; with two channels, or more than four, the first
    /// goes through the colour scale.
    pub(crate) fn pixel(&self, picture: usize, row: usize, column: usize) -> Rgb {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let mut values = self.values(picture, row, column);
        let mut next = || values.next().unwrap_or(f32::NAN);
        if !matches!(self.channels, 3 | 4) {
            return palette::at(self.figure.colour.map, palette::share(f64::from(next()), self.ends));
        }
        let [red, green, blue] = [next(), next(), next()];
        if red.is_nan() || green.is_nan() || blue.is_nan() {
            return palette::MISSING;
        }
        let opaque = if self.channels == 4 { next().clamp(0.0, 1.0) } else { 1.0 };
        Rgb(255, 255, 255).mix(Rgb(byte(red), byte(green), byte(blue)), f64::from(opaque))
    }

    /// The values at the ends of the colour scale, where colours come from one.
    pub(crate) fn scale_ends(&self) -> Option<[f64; 2]> {
        (!matches!(self.channels, 3 | 4)).then_some(self.ends)
    }
}

describe!(Images);
