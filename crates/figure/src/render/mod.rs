//! Pure functions that draw a figure: terminal text, SVG, PNG, HTML and CSV.
//!
//! Each is total over every kind of figure. Figures may come from outside (a file, a plug-in, tokens of
//! an unknown model), so no renderer trusts their text, and arrays that do not fit together are drawn
//! as far as they do.

mod csv;
mod html;
pub(crate) mod numerals;
pub(crate) mod palette;
mod png;
mod pool;
mod scale;
mod svg;
mod text;

pub use csv::csv;
pub use html::html;
pub use png::png;
pub use svg::svg;
pub use text::{Colour, TextStyle, text};
