//! Lines of mixed text, the same as those of `scripts/make_tokenizer_goldens.py`, step by step.

use std::fs;

use serde_json::Value;

const LINES: usize = 12_000;

const SPACES: [&str; 12] =
    [" ", "  ", "   ", "\t", "\n", "\r\n", "\u{a0}", "\u{3000}", "\u{200b}", "\u{2009}", " \n", "\n\n"];

const RANGES: [(u32, u32); 22] = [
    (0x21, 0x7E),
    (0xA1, 0x17F),
    (0x370, 0x3FF),
    (0x400, 0x4FF),
    (0x5D0, 0x5EA),
    (0x620, 0x64A),
    (0x904, 0x939),
    (0xE01, 0xE3A),
    (0x1100, 0x11FF),
    (0x2000, 0x206F),
    (0x20A0, 0x20C0),
    (0x2190, 0x23FF),
    (0x2500, 0x27BF),
    (0x3041, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFB00, 0xFB4F),
    (0xFE00, 0xFE0F),
    (0xFF01, 0xFFEE),
    (0x10330, 0x1034A),
    (0x1D400, 0x1D7FF),
    (0x20000, 0x2A6DF),
];

/// Knuth's MMIX generator; the upper bits.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn among<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.roll(items.len())]
    }

    fn character(&mut self, low: u32, count: usize) -> char {
        char::from_u32(low + self.roll(count) as u32).expect("ranges of characters")
    }
}

struct Fragments {
    words: Vec<String>,
    world: Vec<String>,
    code: Vec<String>,
}

fn fragments() -> Fragments {
    let path = super::root().join("tests/golden/tokenizer/fragments.json");
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let kind = |name: &str| file[name].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect();
    Fragments { words: kind("words"), world: kind("world"), code: kind("code") }
}

fn piece(dice: &mut Dice, fragments: &Fragments) -> String {
    let kind = dice.roll(16);
    match kind {
        0..4 => return dice.among(&fragments.words).clone(),
        4..6 => return dice.among(&fragments.world).clone(),
        6..8 => return dice.among(&fragments.code).clone(),
        _ => {}
    }
    let count = 1 + dice.roll(4);
    match kind {
        8 => (0..2 * count).map(|_| dice.character(u32::from('0'), 10)).collect(),
        9 => (0..count).map(|_| *dice.among(&SPACES)).collect(),
        10 | 11 => {
            let &(low, high) = dice.among(&RANGES);
            (0..count).map(|_| dice.character(low, (high - low + 1) as usize)).collect()
        }
        12 => char::from_u32(dice.roll(0x11_0000) as u32).map_or_else(String::new, Into::into),
        13 => {
            let first = dice.character(u32::from('a'), 26);
            [first].into_iter().chain((0..count).map(|_| dice.character(0x300, 0x70))).collect()
        }
        14 => {
            let emoji = dice.character(0x1_F300, 0x300);
            format!("{emoji}{}", ["", "\u{fe0f}", "\u{200d}", "\u{1f3fd}"][count - 1])
        }
        _ => {
            let code = dice.roll(65) as u32;
            char::from_u32(if code < 32 { code } else { code + 95 }).expect("control characters").into()
        }
    }
}

/// The lines.
pub(crate) fn lines() -> Vec<String> {
    let fragments = fragments();
    let mut dice = Dice(2026);
    let mut lines = Vec::new();
    for _ in 0..LINES {
        let mut line = String::new();
        for _ in 0..=dice.roll(12) {
            line.push_str(&piece(&mut dice, &fragments));
            if dice.roll(2) == 0 {
                line.push(' ');
            }
        }
        lines.push(line);
    }
    lines
}
