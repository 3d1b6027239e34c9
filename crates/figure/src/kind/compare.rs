//! Two figures side by side, and their difference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::colour::ColourScale;
use crate::figure::Figure;
use crate::kind::lines::Scale;

/// Two figures side by side: two models, a clean and an edited run. Where their axes are equal, what
/// changes from the first to the second is shown as a third.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compare {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The first figure.
    pub a: Box<Figure>,
    /// The second figure.
    pub b: Box<Figure>,
    /// What the first figure is of.
    pub a_name: String,
    /// What the second figure is of.
    pub b_name: String,
}

impl Compare {
    /// A comparison of two named figures.
    pub fn new(
        a_name: impl Into<String>,
        a: impl Into<Figure>,
        b_name: impl Into<String>,
        b: impl Into<Figure>,
    ) -> Self {
        Compare {
            about: About::default(),
            a: Box::new(a.into()),
            b: Box::new(b.into()),
            a_name: a_name.into(),
            b_name: b_name.into(),
        }
    }
}

impl Compare {
    /// Both figures with the scales they leave open set to hold the values of both, so that equal
    /// values look equal. Figures of other kinds or colour maps are as they were.
    pub(crate) fn on_one_scale(&self) -> [Figure; 2] {
        let (mut a, mut b) = (Figure::clone(&self.a), Figure::clone(&self.b));
        share(&mut a, &mut b);
        [a, b]
    }
}

fn share(a: &mut Figure, b: &mut Figure) {
    match (a, b) {
        (Figure::Heatmap(a), Figure::Heatmap(b)) => {
            share_colours([&mut a.colour, &mut b.colour], [a.values.data(), b.values.data()]);
        }
        (Figure::Tokens(a), Figure::Tokens(b)) => {
            share_colours([&mut a.colour, &mut b.colour], [a.values.data(), b.values.data()]);
        }
        (Figure::Images(a), Figure::Images(b)) => {
            share_colours([&mut a.colour, &mut b.colour], [a.pixels.data(), b.pixels.data()]);
        }
        (Figure::Bars(a), Figure::Bars(b)) if a.domain.is_none() && b.domain.is_none() => {
            let [[low_a, high_a], [low_b, high_b]] = [a.span(), b.span()];
            a.domain = Some([low_a.min(low_b), high_a.max(high_b)]);
            b.domain = a.domain;
        }
        (Figure::Lines(a), Figure::Lines(b)) if a.y_domain.is_none() && b.y_domain.is_none() => {
            let usable = |y: &f64| y.is_finite() && (a.y_scale == Scale::Linear || *y > 0.0);
            let heights = || a.heights().into_iter().chain(b.heights()).filter(usable);
            let ends = [heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max)];
            if ends[0] <= ends[1] {
                (a.y_domain, b.y_domain) = (Some(ends), Some(ends));
            }
        }
        (Figure::Group(a), Figure::Group(b)) => {
            a.figures.iter_mut().zip(&mut b.figures).for_each(|(a, b)| share(a, b));
        }
        _ => {}
    }
}

fn share_colours([a, b]: [&mut ColourScale; 2], values: [&[f32]; 2]) {
    if a.map == b.map && a.domain.is_none() && b.domain.is_none() {
        let ends = a.ends(values.into_iter().flatten().map(|&value| f64::from(value)));
        (a.domain, b.domain) = (Some(ends), Some(ends));
    }
}

describe!(Compare);
