//! Tables, with rules above and below as in a book.

use super::canvas::{Anchor, Canvas, INK, MUTED, RULE};
use super::font::{Face, fit, measure};
use crate::kind::table::{Cells, Column, Table};
use crate::render::{numerals, palette};
use crate::visible::visible_token;

const SIZE: f64 = 12.0;
const LINE: f64 = 22.0;
const MOST_ROWS: usize = 500;
const MOST_CELL: f64 = 320.0;
const GAP: f64 = 24.0;

fn words(column: &Column, row: usize) -> String {
    match &column.cells {
        Cells::Numbers(numbers) => numbers.data().get(row).map_or_else(String::new, |&value| column.number(value)),
        Cells::Words(words) => match words.data().get(row) {
            Some(word) if !word.is_empty() => fit(&visible_token(word), SIZE, Face::Regular, MOST_CELL),
            _ => String::new(),
        },
    }
}

pub(super) fn draw(figure: &Table) -> Canvas {
    let rows = figure.height();
    let shown = rows.min(MOST_ROWS);
    let mut canvas = Canvas::new(0.0, LINE * (shown + 1) as f64 + 6.0);
    let mut x = 2.0;
    for column in &figure.columns {
        let heading = fit(&column.name, SIZE, Face::Bold, MOST_CELL);
        let cells = (0..shown).map(|row| measure(&words(column, row), SIZE, Face::Regular)).fold(0.0, f64::max);
        let width = cells.max(measure(&heading, SIZE, Face::Bold)).max(10.0);
        let (place, anchor) = match column.cells {
            Cells::Numbers(_) => (x + width, Anchor::End),
            Cells::Words(_) => (x, Anchor::Start),
        };
        canvas.bold([place, 15.0], SIZE, anchor, INK, &heading);
        let coloured = match (&column.colour, &column.cells) {
            (Some(colour), Cells::Numbers(numbers)) => {
                Some((colour.map, numbers, colour.ends(numbers.data().iter().copied())))
            }
            _ => None,
        };
        for row in 0..shown {
            let y = LINE * (row + 1) as f64 + 4.0;
            let text = words(column, row);
            let value = coloured.and_then(|(map, numbers, ends)| Some((map, *numbers.data().get(row)?, ends)));
            match value.filter(|(_, value, _)| !value.is_nan()) {
                Some((map, value, ends)) => {
                    let ground = palette::at(map, palette::share(value, ends));
                    canvas.rect([x - 6.0, y], [width + 12.0, LINE - 1.0], &format!("fill=\"{}\"", ground.hex()));
                    canvas.inked([place, y + 15.0], SIZE, anchor, ground.ink(), &text);
                }
                None => canvas.text([place, y + 15.0], SIZE, anchor, INK, &text),
            }
        }
        x += width + GAP;
    }
    canvas.width = (x - GAP + 6.0).max(60.0);
    let bottom = canvas.height - 1.0;
    canvas.line([0.0, 0.5], [canvas.width, 0.5], 1.25, RULE);
    canvas.line([0.0, LINE + 0.5], [canvas.width, LINE + 0.5], 0.75, RULE);
    canvas.line([0.0, bottom], [canvas.width, bottom], 1.25, RULE);
    if rows > shown {
        canvas.height += 18.0;
        let note = format!("and {} more rows", numerals::grouped(rows - shown));
        canvas.text([2.0, canvas.height - 4.0], 11.0, Anchor::Start, MUTED, &note);
    }
    canvas
}
