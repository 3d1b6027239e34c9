//! The bundled fonts: how wide a text is, and where to break or cut it.

use std::fmt::Write;
use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use unicode_width::UnicodeWidthChar;

use crate::visible::visible;

const REGULAR: &[u8] = include_bytes!("../../../fonts/Inter-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../fonts/Inter-SemiBold.ttf");
const MONO: &[u8] = include_bytes!("../../../fonts/JetBrainsMono-Regular.ttf");

/// The bundled sans-serif, then the reader's own.
pub(super) const SANS: &str =
    "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', sans-serif";
/// The bundled monospaced font, then the reader's own.
pub(super) const MONOSPACED: &str =
    "'JetBrains Mono', ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/// Which bundled font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Regular,
    Bold,
    Mono,
}

/// The bundled font files.
pub(in crate::render) fn files() -> [&'static [u8]; 3] {
    [REGULAR, BOLD, MONO]
}

static FONTS: LazyLock<[Option<FontRef<'static>>; 3]> = LazyLock::new(|| files().map(|file| FontRef::new(file).ok()));

/// Whether the bundled sans-serif has a character, or it needs none.
pub(in crate::render) fn covered(c: char) -> bool {
    c.is_ascii() || FONTS[0].as_ref().is_some_and(|font| font.charmap().map(c).is_some())
}

/// Whether a font file has a character.
pub(in crate::render) fn has(file: &[u8], index: u32, c: char) -> bool {
    FontRef::from_index(file, index).is_ok_and(|font| font.charmap().map(c).is_some())
}

/// The width of a text in pixels. Characters outside the bundled font count as in a terminal, a narrow
/// one as 0.6 of the font size.
pub(super) fn measure(text: &str, size: f64, face: Face) -> f64 {
    let Some(font) = &FONTS[face as usize] else { return text.chars().count() as f64 * size * 0.6 };
    let (map, metrics) = (font.charmap(), font.glyph_metrics(Size::new(size as f32), LocationRef::default()));
    let width = |c: char| match map.map(c).and_then(|glyph| metrics.advance_width(glyph)) {
        Some(width) => f64::from(width),
        None => c.width().unwrap_or(0) as f64 * size * if c.width() == Some(2) { 0.5 } else { 0.6 },
    };
    text.chars().map(width).sum()
}

/// The text as it will be drawn: made visible, with signs that fonts have.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            // Pictures of control characters are in few fonts.
            '\u{2400}'..='\u{2421}' => {
                let code = if c == '\u{2421}' { 0x7f } else { c as u32 - 0x2400 };
                let _ = write!(out, "<{code:02x}>");
            }
            _ => out.push(c),
        }
    }
    out
}

/// The text as drawn, cut to fit with `…`.
pub(super) fn fit(text: &str, size: f64, face: Face, room: f64) -> String {
    // No text that fits has more characters than this; the cut keeps long ones cheap.
    let most = (room / (size * 0.15)).clamp(0.0, 10_000.0) as usize + 2;
    let head: String = text.chars().take(most).collect();
    let text = if head.len() < text.len() { shown(&head) + "…" } else { shown(&head) };
    if measure(&text, size, face) <= room {
        return text;
    }
    let mut kept = String::new();
    let mut used = measure("…", size, face);
    for c in text.chars() {
        used += measure(c.encode_utf8(&mut [0; 4]), size, face);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_owned() + "…"
}

/// The text as drawn, broken at blanks and, where a word is too long, within it; its own line breaks
/// are kept.
pub(super) fn wrap(text: &str, size: f64, face: Face, room: f64) -> Vec<String> {
    let blank = measure(" ", size, face);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let (mut line, mut used) = (String::new(), 0.0);
        for word in paragraph.trim_end_matches('\r').split(' ') {
            let word = shown(word);
            let width = measure(&word, size, face);
            if !line.is_empty() && used + blank + width > room {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            } else if !line.is_empty() {
                line.push(' ');
                used += blank;
            }
            if width <= room {
                line.push_str(&word);
                used += width;
                continue;
            }
            for c in word.chars() {
                let width = measure(c.encode_utf8(&mut [0; 4]), size, face);
                if used + width > room && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += width;
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_fonts_cover_what_figures_write() {
        assert!(FONTS.iter().all(Option::is_some));
        assert!("ABCxyz 0123 äöüßñçłğ αβγΩ яЖ “”‘’–—…·−×≤≥→⏎⇥∅∞□".chars().all(covered));
        assert!(!covered('東'));
    }

    #[test]
    fn widths_add_up_and_cut_text_fits() {
        let wide = measure("WWWW", 10.0, Face::Regular);
        assert!(wide > measure("iiii", 10.0, Face::Regular) * 2.0);
        assert_eq!(measure("iW", 10.0, Face::Mono), measure("WW", 10.0, Face::Mono));
        for room in [0.0, 5.0, 30.0, 60.0] {
            let cut = fit("a rather long text 東京", 10.0, Face::Bold, room);
            assert!(measure(&cut, 10.0, Face::Bold) <= room.max(10.0), "{cut}");
        }
        assert_eq!(fit("short", 10.0, Face::Regular, 100.0), "short");
        assert_eq!(shown("a\u{1b}\u{7f}\n"), "a<1b><7f>⏎");
    }

    #[test]
    fn prose_breaks_at_blanks() {
        let room = measure("one two", 10.0, Face::Regular) + 0.1;
        assert_eq!(wrap("one two three\n\nx", 10.0, Face::Regular, room), ["one two", "three", "", "x"]);
        assert!(wrap(&"w".repeat(100), 10.0, Face::Regular, 50.0).len() > 5);
    }
}
