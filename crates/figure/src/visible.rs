//! Text from outside, made safe to look at.

use std::fmt::Write;

/// The text with every character that would not show, or would act on a terminal, written visibly.
///
/// Line breaks are `⏎`, tabs `⇥`, other control characters their pictures (`␛` for escape),
/// characters that change the direction of the text or take no space `<202e>`. Blanks stay blanks.
/// Tokens of a model are text from outside: printed as they are, they could repaint the terminal.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('⏎'),
            '\t' => shown.push('⇥'),
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('␦')),
            '\u{7f}' => shown.push('␡'),
            _ if hidden(c) => {
                let _ = write!(shown, "<{:x}>", c as u32);
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// A token as a label: as [`visible`], and blanks at its ends are `·`, so that ` the` and `the` look
/// different. An empty token is `∅`.
pub fn visible_token(token: &str) -> String {
    if token.is_empty() {
        return "∅".to_owned();
    }
    let core = token.trim_matches(' ');
    let before = token.len() - token.trim_start_matches(' ').len();
    let after = token.len() - before - core.len();
    format!("{}{}{}", "·".repeat(before), visible(core), "·".repeat(after))
}

/// Whether a character shows nothing itself, or changes how its neighbours show.
///
/// C1 controls, soft hyphen, zero-width and directional marks, line and paragraph separators, byte
/// order mark, interlinear annotations, tags and noncharacters. The zero-width joiner and variation
/// selectors are hidden too: they join emoji, but in a token by itself neither can be seen.
fn hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{e0000}'..='\u{e0fff}')
        || (c as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_ends_of_a_token_show() {
        assert_eq!(visible_token(" the"), "·the");
        assert_eq!(visible_token("  "), "··");
        assert_eq!(visible_token(" a b\n "), "·a b⏎·");
        assert_eq!(visible_token(""), "∅");
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        assert_eq!(visible("\u{1b}[31mred\u{1b}[0m"), "␛[31mred␛[0m");
        assert_eq!(visible("a\r\n\tb\0\u{7f}"), "a␍⏎⇥b␀␡");
        assert_eq!(visible("\u{202e}abc\u{9b}31m\u{feff}"), "<202e>abc<9b>31m<feff>");
        assert_eq!(visible(" the Größe 東京 🙂"), " the Größe 東京 🙂");
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            assert!(visible(c.encode_utf8(&mut [0; 4])).chars().all(|c| !c.is_control()), "{:x}", c as u32);
        }
    }
}
