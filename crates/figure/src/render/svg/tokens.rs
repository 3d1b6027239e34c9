//! Coloured tokens.

use super::canvas::{Anchor, Canvas, INK, MUTED};
use super::font::{Face, measure, shown};
use super::legend;
use crate::kind::tokens::Tokens;
use crate::render::{numerals, palette};
use crate::visible::{visible, visible_token};

const SIZE: f64 = 14.0;
const LINE: f64 = 27.0;
/// Later tokens are left out: no page can show them.
const MOST_TOKENS: usize = 20_000;

pub(super) fn draw(figure: &Tokens, room: f64) -> Canvas {
    let room = room.min(760.0);
    let values = figure.values.data();
    let ends = figure.colour.ends(values.iter().map(|&x| f64::from(x)));
    let mut canvas = Canvas::new(0.0, 0.0);
    let (mut x, mut y) = (0.0, 0.0);
    for (i, token) in figure.tokens.data().iter().enumerate().take(MOST_TOKENS) {
        for piece in token.split_inclusive('\n') {
            let text = shown(piece);
            let width = measure(&text, SIZE, Face::Regular).max(2.0);
            if x > 0.0 && x + width > room {
                (x, y) = (0.0, y + LINE);
            }
            let value = values.get(i).map(|&value| f64::from(value)).filter(|value| !value.is_nan());
            let box_at = [x, y + 1.0];
            if let Some(value) = value {
                let ground = palette::at(figure.colour.map, palette::share(value, ends));
                canvas.rect(box_at, [width, LINE - 5.0], &format!("rx=\"2.5\" fill=\"{}\"", ground.hex()));
                write(&mut canvas, [x, y + 16.5], &text, |canvas, at, text| {
                    canvas.inked(at, SIZE, Anchor::Start, ground.ink(), text);
                });
            } else {
                write(&mut canvas, [x, y + 16.5], &text, |canvas, at, text| {
                    canvas.text(at, SIZE, Anchor::Start, INK, text);
                });
            }
            canvas.tell(box_at, [width, LINE - 5.0], told(figure, i, value));
            x += width;
            canvas.widen(x);
            if piece.ends_with('\n') {
                (x, y) = (0.0, y + LINE);
            }
        }
    }
    canvas.height = if x > 0.0 { y + LINE } else { y };
    if figure.tokens.len() > MOST_TOKENS {
        canvas.height += 16.0;
        let note = format!("and {} more tokens", numerals::grouped(figure.tokens.len() - MOST_TOKENS));
        canvas.text([0.0, canvas.height - 4.0], 11.0, Anchor::Start, MUTED, &note);
    }
    if !values.is_empty() {
        let bar = legend::lying(&figure.colour, ends);
        canvas.widen(bar.width);
        let top = canvas.height + 10.0;
        canvas.height = top + bar.height;
        canvas.place(bar, 0.0, top);
    }
    canvas
}

/// Draws the words after their leading blanks, so that no renderer can swallow those.
fn write(canvas: &mut Canvas, [x, y]: [f64; 2], text: &str, draw: impl Fn(&mut Canvas, [f64; 2], &str)) {
    let core = text.trim_start_matches(' ');
    let blanks = measure(&text[..text.len() - core.len()], SIZE, Face::Regular);
    draw(canvas, [x + blanks, y], core.trim_end_matches(' '));
}

fn told(figure: &Tokens, i: usize, value: Option<f64>) -> String {
    let mut told = vec![format!("{i}  {}", visible_token(&figure.tokens.data()[i]))];
    if value.is_some() {
        let label = if figure.colour.label.is_empty() { "value" } else { &figure.colour.label };
        let exact = figure.values.data().get(i).map_or(f64::NAN, |&value| crate::number::widen(value));
        told.push(format!("{}: {}", visible(label), numerals::exact(exact)));
    }
    if let Some(detail) = figure.details.get(i).filter(|detail| !detail.is_empty()) {
        told.extend(detail.split('\n').map(visible));
    }
    told.join("\n")
}
