//! Bars, lying down, so that their names can be read.

use super::canvas::{Anchor, Canvas, INK, MUTED, RULE};
use super::font::{Face, fit, measure};
use super::legend;
use crate::kind::bars::Bars;
use crate::render::{numerals, palette};
use crate::visible::{visible, visible_token};

const MOST_BARS: usize = 400;
const MOST_SERIES: usize = 16;

pub(super) fn draw(figure: &Bars, room: f64) -> Canvas {
    let [series, bars] = figure.extent();
    let (shown, rows) = (bars.min(MOST_BARS), series.min(MOST_SERIES));
    let value = |s: usize, bar: usize| figure.values.data().get(s * bars + bar).copied().unwrap_or(f32::NAN);
    let all = || (0..shown).flat_map(|bar| (0..rows).map(move |s| f64::from(value(s, bar))));
    let [low, high] = figure.span();
    let reach = if high - low > 0.0 { high - low } else { 1.0 };
    let name = |bar: usize| fit(&visible_token(&figure.bars.name(bar)), 11.5, Face::Regular, 170.0);
    let widest = (0..shown).map(|bar| measure(&name(bar), 11.5, Face::Regular)).fold(0.0, f64::max);
    let numbers = all().map(|x| measure(&numerals::short(x), 10.5, Face::Regular)).fold(0.0, f64::max) + 8.0;
    let names: Vec<String> = (0..rows).map(|s| visible_token(&figure.series.name(s))).collect();
    let listed = (series > 1).then(|| legend::categories(&names, false, series - rows));
    let beside = listed.as_ref().map_or(0.0, |legend| legend.width + 18.0);
    let left = widest + 10.0;
    // Numbers stand at the far end of each bar, so both sides need room for them.
    let before = if low < 0.0 { numbers } else { 0.0 };
    let length = (room - beside).min(580.0) - left - before - numbers;
    let unit = length.max(60.0) / reach;
    let zero = left + before - low * unit;
    let thick = if rows > 1 { 12.0 } else { 15.0 };
    let pitch = rows as f64 * thick + 7.0;
    let mut canvas = Canvas::new(left + before + length.max(60.0) + numbers, 0.0);
    if !figure.label.is_empty() {
        let label = fit(&figure.label, 11.5, Face::Regular, canvas.width - left);
        canvas.text([left + before, 11.0], 11.5, Anchor::Start, MUTED, &label);
        canvas.height = 20.0;
    }
    let top = canvas.height;
    for bar in 0..shown {
        let y = top + bar as f64 * pitch + 3.0;
        let middle = y + rows as f64 * thick / 2.0 + 4.0;
        canvas.text([left - 4.0, middle], 11.5, Anchor::End, INK, &name(bar));
        for (s, series_name) in names.iter().enumerate() {
            let x = f64::from(value(s, bar));
            let end = if x.is_nan() { zero } else { zero + x.clamp(low, high) * unit };
            let colour = palette::category(if rows > 1 { s } else { usize::from(x < 0.0) });
            let at = [zero.min(end), y + s as f64 * thick];
            canvas.rect(at, [(end - zero).abs(), thick - 1.0], &format!("rx=\"1.5\" fill=\"{}\"", colour.hex()));
            let (place, anchor) = if x < 0.0 { (end - 4.0, Anchor::End) } else { (end + 4.0, Anchor::Start) };
            canvas.text([place, at[1] + thick / 2.0 + 3.2], 10.5, anchor, MUTED, &numerals::short(x));
            let series_name = if rows > 1 { format!(", {series_name}") } else { String::new() };
            let exact = numerals::exact(crate::number::widen(value(s, bar)));
            let told =
                format!("{}{series_name}\n{} {exact}", visible_token(&figure.bars.name(bar)), visible(&figure.label));
            canvas.tell([0.0, at[1]], [canvas.width, thick], told);
        }
    }
    canvas.height += shown as f64 * pitch;
    canvas.line([zero, top], [zero, canvas.height], 1.0, RULE);
    if bars > shown {
        canvas.height += 16.0;
        let note = format!("and {} more bars", numerals::grouped(bars - shown));
        canvas.text([left, canvas.height - 4.0], 11.0, Anchor::Start, MUTED, &note);
    }
    if let Some(legend) = listed {
        let at = canvas.width + 18.0;
        canvas.width = at + legend.width;
        canvas.height = canvas.height.max(top + legend.height);
        canvas.place(legend, at, top);
    }
    canvas
}
