//! Points in a plane.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::colour::ColourScale;

/// Points in a plane, coloured by class or by value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scatter {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// Where each point is from left to right, one axis. A point with a NaN is not drawn.
    pub x: Array<f32>,
    /// Where each point is from bottom to top, the same axis.
    pub y: Array<f32>,
    /// Colours points by value, the same axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Array<f32>>,
    /// How values become colours.
    #[serde(default)]
    pub colour: ColourScale,
    /// Colours points by class, the same axis: indices into `class_names`. Used where there are no
    /// values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Array<u32>>,
    /// The names of the classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// A name for each point, told on request; written beside it where there are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The label of the x axis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub x_label: String,
    /// The label of the y axis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub y_label: String,
}

impl Scatter {
    /// Points at these places.
    pub fn new(x: Array<f32>, y: Array<f32>) -> Self {
        Scatter {
            about: About::default(),
            x,
            y,
            values: None,
            colour: ColourScale::default(),
            classes: None,
            class_names: Vec::new(),
            names: Vec::new(),
            x_label: String::new(),
            y_label: String::new(),
        }
    }

    /// Colours points by value.
    pub fn values(mut self, values: Array<f32>, colour: ColourScale) -> Self {
        self.values = Some(values);
        self.colour = colour;
        self
    }

    /// Colours points by class.
    pub fn classes(mut self, classes: Array<u32>, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.classes = Some(classes);
        self.class_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Names the points.
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the labels of the two axes.
    pub fn axis_labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        self.x_label = x.into();
        self.y_label = y.into();
        self
    }
}

describe!(Scatter);
