//! The closed set of figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::About;
use crate::{Bars, Code, Compare, Graph, Group, Heatmap, Histogram, Images, Lines, Scatter, Table, Text, Tokens};

/// A figure of one of thirteen kinds. In JSON the field `kind` tells which.
///
/// The set is closed so that every renderer can be total; a new kind is a compile error in each
/// renderer until it is drawn there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Figure {
    /// Prose.
    Text(Text),
    /// Program text.
    Code(Code),
    /// Columns of numbers and words.
    Table(Table),
    /// A text whose tokens are coloured by value.
    Tokens(Tokens),
    /// One matrix as coloured cells, or a stack of them side by side.
    Heatmap(Heatmap),
    /// Curves.
    Lines(Lines),
    /// Points in a plane.
    Scatter(Scatter),
    /// Named bars.
    Bars(Bars),
    /// Counts over bins.
    Histogram(Histogram),
    /// Nodes and weighted edges.
    Graph(Graph),
    /// Pictures.
    Images(Images),
    /// Two figures side by side, and their difference.
    Compare(Compare),
    /// Figures that belong together.
    Group(Group),
}

impl Figure {
    /// The words around the figure.
    pub fn about(&self) -> &About {
        match self {
            Figure::Text(figure) => &figure.about,
            Figure::Code(figure) => &figure.about,
            Figure::Table(figure) => &figure.about,
            Figure::Tokens(figure) => &figure.about,
            Figure::Heatmap(figure) => &figure.about,
            Figure::Lines(figure) => &figure.about,
            Figure::Scatter(figure) => &figure.about,
            Figure::Bars(figure) => &figure.about,
            Figure::Histogram(figure) => &figure.about,
            Figure::Graph(figure) => &figure.about,
            Figure::Images(figure) => &figure.about,
            Figure::Compare(figure) => &figure.about,
            Figure::Group(figure) => &figure.about,
        }
    }

    /// The words around the figure, to change them.
    pub fn about_mut(&mut self) -> &mut About {
        match self {
            Figure::Text(figure) => &mut figure.about,
            Figure::Code(figure) => &mut figure.about,
            Figure::Table(figure) => &mut figure.about,
            Figure::Tokens(figure) => &mut figure.about,
            Figure::Heatmap(figure) => &mut figure.about,
            Figure::Lines(figure) => &mut figure.about,
            Figure::Scatter(figure) => &mut figure.about,
            Figure::Bars(figure) => &mut figure.about,
            Figure::Histogram(figure) => &mut figure.about,
            Figure::Graph(figure) => &mut figure.about,
            Figure::Images(figure) => &mut figure.about,
            Figure::Compare(figure) => &mut figure.about,
            Figure::Group(figure) => &mut figure.about,
        }
    }

    /// The value of `kind` in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Figure::Text(_) => "text",
            Figure::Code(_) => "code",
            Figure::Table(_) => "table",
            Figure::Tokens(_) => "tokens",
            Figure::Heatmap(_) => "heatmap",
            Figure::Lines(_) => "lines",
            Figure::Scatter(_) => "scatter",
            Figure::Bars(_) => "bars",
            Figure::Histogram(_) => "histogram",
            Figure::Graph(_) => "graph",
            Figure::Images(_) => "images",
            Figure::Compare(_) => "compare",
            Figure::Group(_) => "group",
        }
    }
}
