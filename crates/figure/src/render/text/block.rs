//! Blocks of styled text, set one above or beside the other, and how they are printed.

use unicode_width::UnicodeWidthStr;

use super::{Colour, TextStyle};
use crate::render::palette::Rgb;
use crate::visible::visible;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) ink: Option<Rgb>,
    pub(super) ground: Option<Rgb>,
    pub(super) bold: bool,
    pub(super) dim: bool,
}

impl Look {
    pub(super) fn plain() -> Self {
        Look::default()
    }

    pub(super) fn bold() -> Self {
        Look { bold: true, ..Look::default() }
    }

    pub(super) fn dim() -> Self {
        Look { dim: true, ..Look::default() }
    }

    pub(super) fn ink(ink: Rgb) -> Self {
        Look { ink: Some(ink), ..Look::default() }
    }

    /// Readable ink on this ground.
    pub(super) fn on(ground: Rgb) -> Self {
        Look { ink: Some(ground.ink()), ground: Some(ground), ..Look::default() }
    }
}

/// Columns of a terminal that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A line of styled text. Its text holds no control character.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    spans: Vec<(String, Look)>,
    width: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Line::default()
    }

    /// Appends text of any origin, made visible.
    pub(super) fn push(&mut self, text: impl AsRef<str>, look: Look) {
        let text = visible(text.as_ref());
        self.width += width(&text);
        match self.spans.last_mut() {
            Some((last, same)) if *same == look => last.push_str(&text),
            _ => self.spans.push((text, look)),
        }
    }

    /// The same, for a line given as a whole.
    pub(super) fn with(mut self, text: impl AsRef<str>, look: Look) -> Self {
        self.push(text, look);
        self
    }

    /// Appends blanks up to this width.
    pub(super) fn fill(&mut self, to: usize, look: Look) {
        if to > self.width {
            self.push(" ".repeat(to - self.width), look);
        }
    }

    pub(super) fn append(&mut self, other: Line) {
        self.width += other.width;
        self.spans.extend(other.spans);
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }
}

/// Lines one above the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) lines: Vec<Line>,
}

impl Block {
    pub(super) fn new() -> Self {
        Block::default()
    }

    pub(super) fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(Line::new());
    }

    pub(super) fn stack(&mut self, below: Block) {
        self.lines.extend(below.lines);
    }

    pub(super) fn width(&self) -> usize {
        self.lines.iter().map(Line::width).max().unwrap_or(0)
    }

    /// Sets a block to the right of this one, tops level.
    pub(super) fn beside(mut self, right: Block, gap: usize) -> Block {
        let edge = self.width() + if self.lines.is_empty() { 0 } else { gap };
        for (i, line) in right.lines.into_iter().enumerate() {
            if i == self.lines.len() {
                self.blank();
            }
            self.lines[i].fill(edge, Look::plain());
            self.lines[i].append(line);
        }
        self
    }

    /// Sets blocks in rows, as many beside each other as fit.
    pub(super) fn flow(blocks: impl IntoIterator<Item = Block>, room: usize, gap: usize, most: usize) -> Block {
        let mut all = Block::new();
        let (mut row, mut held) = (Block::new(), 0);
        for block in blocks {
            if held > 0 && (held == most || row.width() + gap + block.width() > room) {
                all.stack(std::mem::take(&mut row));
                all.blank();
                held = 0;
            }
            row = row.beside(block, gap);
            held += 1;
        }
        all.stack(row);
        all
    }

    /// Prose, broken at blanks to fit; its own line breaks are kept.
    pub(super) fn wrapped(text: &str, room: usize, look: Look) -> Block {
        let mut block = Block::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            for word in paragraph.trim_end_matches('\r').split(' ') {
                let word = visible(word);
                if !line.is_empty() && width(&line) + 1 + width(&word) > room {
                    block.line(Line::new().with(std::mem::take(&mut line), look));
                } else if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&word);
                while let (head, rest) = split(&line, room)
                    && !rest.is_empty()
                {
                    block.line(Line::new().with(head, look));
                    line = rest.to_string();
                }
            }
            block.line(Line::new().with(line, look));
        }
        block
    }

    /// The text with its colours, every line ended.
    pub(super) fn print(&self, style: &TextStyle) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let mut printed = String::new();
            for (text, look) in &line.spans {
                print_span(&mut printed, text, *look, style);
            }
            out.push_str(printed.trim_end_matches(' '));
            out.push('\n');
        }
        if style.unicode { out } else { out.chars().map(ascii).collect() }
    }
}

/// The longest beginning of a text that fits, at least one character, and the rest.
pub(super) fn split(text: &str, room: usize) -> (&str, &str) {
    let mut end = 0;
    for (start, c) in text.char_indices() {
        let next = start + c.len_utf8();
        if end > 0 && width(&text[..next]) > room {
            break;
        }
        end = next;
    }
    text.split_at(end)
}

/// The text, made visible and cut to fit with `…`.
pub(super) fn clipped(text: &str, room: usize) -> String {
    let text = visible(text);
    if width(&text) <= room {
        return text;
    }
    if room == 0 {
        return String::new();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let longer = format!("{kept}{c}");
        if width(&longer) + 1 > room {
            break;
        }
        kept = longer;
    }
    kept + "…"
}

/// The text cut or filled with blanks on the right to exactly this width.
pub(super) fn left(text: &str, room: usize) -> String {
    let text = clipped(text, room);
    let blanks = room.saturating_sub(width(&text));
    text + &" ".repeat(blanks)
}

/// The text cut or filled with blanks on the left to exactly this width.
pub(super) fn right(text: &str, room: usize) -> String {
    let text = clipped(text, room);
    " ".repeat(room.saturating_sub(width(&text))) + &text
}

fn print_span(out: &mut String, text: &str, look: Look, style: &TextStyle) {
    let mut codes: Vec<String> = Vec::new();
    if style.has_colour() {
        if look.bold {
            codes.push("1".into());
        }
        if look.dim {
            codes.push("2".into());
        }
        codes.extend(look.ink.map(|ink| code(ink, 38, style.colour)));
        codes.extend(look.ground.map(|ground| code(ground, 48, style.colour)));
    }
    if codes.is_empty() {
        out.push_str(text);
    } else {
        out.extend(["\u{1b}[", &codes.join(";"), "m", text, "\u{1b}[0m"]);
    }
}

fn code(Rgb(r, g, b): Rgb, plane: u8, colour: Colour) -> String {
    match colour {
        Colour::TrueColor => format!("{plane};2;{r};{g};{b}"),
        Colour::None | Colour::Ansi256 => format!("{plane};5;{}", xterm(Rgb(r, g, b))),
    }
}

/// The nearest of xterm's 6x6x6 cube and 24 greys.
fn xterm(Rgb(r, g, b): Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |c: u8| (0..6_u8).min_by_key(|&i| LEVELS[i as usize].abs_diff(c)).unwrap_or(0);
    let far = |Rgb(x, y, z): Rgb| {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        square(x, r) + square(y, g) + square(z, b)
    };
    let [cr, cg, cb] = [r, g, b].map(nearest);
    let in_cube = Rgb(LEVELS[cr as usize], LEVELS[cg as usize], LEVELS[cb as usize]);
    let mean = (u32::from(r) + u32::from(g) + u32::from(b)) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let level = 8 + 10 * step;
    if far(Rgb(level, level, level)) < far(in_cube) { 232 + step } else { 16 + 36 * cr + 6 * cg + cb }
}

/// A stand-in of ASCII for a character, as wide as it.
fn ascii(c: char) -> String {
    let one = match c {
        _ if c.is_ascii() => return c.to_string(),
        '…' | '·' => '.',
        '│' | '┤' => '|',
        '█' => '#',
        '▓' | '▇' | '▆' | '▉' | '▊' => '%',
        '▒' | '▅' | '▄' | '▋' | '▌' | '▐' | '└' | '┬' => '+',
        '░' | '▃' | '▂' | '▁' | '▍' | '▎' | '▏' | '─' | '–' | '—' | '−' => '-',
        '●' | '•' => 'o',
        '×' => 'x',
        '→' => '>',
        _ => '?',
    };
    let mut buffer = [0; 4];
    one.to_string().repeat(width(c.encode_utf8(&mut buffer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(block: &Block) -> String {
        block.print(&TextStyle::default())
    }

    #[test]
    fn blocks_beside_each_other_line_up() {
        let mut tall = Block::new();
        tall.line(Line::new().with("東京", Look::plain()));
        tall.line(Line::new().with("a", Look::plain()));
        let short = Block::wrapped("right", 10, Look::plain());
        assert_eq!(printed(&tall.clone().beside(short.clone(), 2)), "東京  right\na\n");
        assert_eq!(printed(&short.beside(tall, 1)), "right 東京\n      a\n");
    }

    #[test]
    fn prose_wraps_and_long_words_break() {
        assert_eq!(printed(&Block::wrapped("one two three\n\nfour", 8, Look::plain())), "one two\nthree\n\nfour\n");
        assert_eq!(printed(&Block::wrapped("abcdefgh", 3, Look::plain())), "abc\ndef\ngh\n");
        assert_eq!(printed(&Block::wrapped("東京", 1, Look::plain())), "東\n京\n");
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(left("東京都", 5), "東京…");
        assert_eq!(left("東京都", 4), "東… ");
        assert_eq!(right("ab", 4), "  ab");
        assert_eq!(clipped("abc", 0), "");
    }

    #[test]
    fn colours_are_codes_and_ascii_is_ascii() {
        let line = Line::new().with("\u{1b}[2J█", Look::ink(Rgb(255, 0, 0)));
        let block = Block { lines: vec![line] };
        let style = TextStyle { colour: Colour::TrueColor, ..TextStyle::default() };
        assert_eq!(block.print(&style), "\u{1b}[38;2;255;0;0m␛[2J█\u{1b}[0m\n");
        let style = TextStyle { colour: Colour::Ansi256, ..style };
        assert_eq!(block.print(&style), "\u{1b}[38;5;196m␛[2J█\u{1b}[0m\n");
        let style = TextStyle { colour: Colour::None, unicode: false, ..style };
        assert_eq!(block.print(&style), "?[2J#\n");
        assert_eq!(xterm(Rgb(128, 128, 128)), 244);
        assert_eq!(ascii('東'), "??");
    }
}
