//! Dots finer than a character cell, in braille, or marks where there is no braille.

use super::TextStyle;
use super::block::{Line, Look};
use crate::render::palette;

/// Marks that tell series apart without colour.
pub(super) const MARKS: [char; 8] = ['o', 'x', '+', '*', '#', '@', '%', '='];

/// The bits of a braille character's dots, which count down the columns, the fourth row last.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A raster of dots: two by four to a character cell, each cell in the colour of the series drawn last.
pub(super) struct Canvas {
    columns: usize,
    lines: usize,
    dots: Vec<u8>,
    series: Vec<usize>,
    /// One mark per cell and series instead of dots.
    marks: bool,
}

impl Canvas {
    /// A canvas of character cells for so many series: braille, but where neither colour nor a single
    /// series tells the dots apart, marks.
    pub(super) fn new(columns: usize, lines: usize, series: usize, style: &TextStyle) -> Self {
        let cells = columns * lines;
        let marks = !style.unicode || (series > 1 && !style.has_colour());
        Canvas { columns, lines, dots: vec![0; cells], series: vec![usize::MAX; cells], marks }
    }

    /// Width and height in dots.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.columns * 2, self.lines * 4]
    }

    /// Sets the dot at a place from 0 to 1 along x and, upwards, y.
    pub(super) fn dot(&mut self, x: f64, y: f64, series: usize) {
        let [wide, high] = self.size();
        let column = (x * (wide as f64 - 1.0)).round();
        let row = ((1.0 - y) * (high as f64 - 1.0)).round();
        if column >= 0.0 && row >= 0.0 && column < wide as f64 && row < high as f64 {
            let (column, row) = (column as usize, row as usize);
            let cell = row / 4 * self.columns + column / 2;
            self.dots[cell] |= BITS[row % 4][column % 2];
            self.series[cell] = series;
        }
    }

    /// A straight line between two places.
    pub(super) fn segment(&mut self, from: [f64; 2], to: [f64; 2], series: usize) {
        let [wide, high] = self.size();
        let far = ((to[0] - from[0]).abs() * wide as f64).max((to[1] - from[1]).abs() * high as f64);
        let steps = far.ceil().clamp(1.0, 4.0 * (wide + high) as f64) as usize;
        for i in 0..=steps {
            let t = i as f64 / steps as f64;
            self.dot(from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t, series);
        }
    }

    /// The lines from the top; `look` colours a series.
    pub(super) fn print(&self, look: impl Fn(usize) -> Look) -> Vec<Line> {
        let mut lines = Vec::with_capacity(self.lines);
        for row in 0..self.lines {
            let mut line = Line::new();
            for column in 0..self.columns {
                let cell = row * self.columns + column;
                match (self.dots[cell], self.series[cell]) {
                    (0, _) => line.push(" ", Look::plain()),
                    (_, series) if self.marks => line.push(MARKS[series % MARKS.len()].to_string(), look(series)),
                    (dots, series) => {
                        let braille = char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ');
                        line.push(braille.to_string(), look(series));
                    }
                }
            }
            lines.push(line);
        }
        lines
    }

    /// What stands for a series in a legend.
    pub(super) fn sign(&self, series: usize) -> String {
        if self.marks { MARKS[series % MARKS.len()].to_string() } else { "──".to_owned() }
    }
}

/// The look of a series.
pub(super) fn category(series: usize) -> Look {
    Look::ink(palette::category(series))
}
