//! Columns of numbers and words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::axis::{Axis, Dim};
use crate::colour::ColourScale;
use crate::number::widen;
use crate::render::numerals;

/// A table, given by columns. Columns shorter than the longest are filled with blanks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// What the rows run over, for linking.
    pub rows: Axis,
    /// The columns, from the left.
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// The heading, with the unit.
    pub name: String,
    /// The cells, from the top.
    #[serde(flatten)]
    pub cells: Cells,
    /// Digits after the decimal point. Nothing: as many as the numbers need, at most four significant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Colours the cells by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<ColourScale>,
}

/// The cells of a column. A number that is missing is NaN and is left blank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cells {
    /// Numbers, aligned to the right.
    Numbers(Array<f64>),
    /// Words, aligned to the left.
    Words(Array<String>),
}

impl Cells {
    /// The number of cells.
    pub fn len(&self) -> usize {
        match self {
            Cells::Numbers(numbers) => numbers.len(),
            Cells::Words(words) => words.len(),
        }
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Column {
    /// The words of a number's cell.
    pub(crate) fn number(&self, value: f64) -> String {
        if value.is_nan() {
            return "–".to_owned();
        }
        match self.decimals {
            Some(decimals) => numerals::fixed(value, decimals.min(17) as usize),
            None if value == value.trunc() && value.abs() < 1e15 => value.to_string(),
            None => numerals::significant(value, 4),
        }
    }
}

impl Table {
    /// A table whose rows run over this axis, without columns yet.
    pub fn new(rows: impl Into<Axis>) -> Self {
        Table { about: About::default(), rows: rows.into(), columns: Vec::new() }
    }

    /// Adds a column.
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds a column of words.
    pub fn words(self, name: impl Into<String>, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        let cells = Cells::Words(Array::vector(self.rows, words));
        self.column(Column { name: name.into(), cells, decimals: None, colour: None })
    }

    /// Adds a column of numbers.
    pub fn numbers(self, name: impl Into<String>, numbers: impl IntoIterator<Item = f64>) -> Self {
        let cells = Cells::Numbers(Array::vector(self.rows, numbers.into_iter().collect()));
        self.column(Column { name: name.into(), cells, decimals: None, colour: None })
    }

    /// Adds a column of single-precision numbers, which keep their short decimal form.
    pub fn floats(self, name: impl Into<String>, numbers: impl IntoIterator<Item = f32>) -> Self {
        self.numbers(name, numbers.into_iter().map(widen))
    }

    /// Sets the digits after the decimal point of the column added last.
    pub fn decimals(mut self, decimals: u8) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.decimals = Some(decimals);
        }
        self
    }

    /// Colours the column added last by value.
    pub fn coloured(mut self, colour: ColourScale) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.colour = Some(colour);
        }
        self
    }

    /// The number of rows: the length of the longest column.
    pub fn height(&self) -> usize {
        self.columns.iter().map(|column| column.cells.len()).max().unwrap_or(0)
    }
}

impl Default for Table {
    fn default() -> Self {
        Table::new(Dim::Row)
    }
}

describe!(Table);
