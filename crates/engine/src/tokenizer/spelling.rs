//! How a vocabulary writes bytes: what text a token stands for, and how a text is written as a token.

/// How tokens are written in a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// One printable character for each byte (GPT-2's alphabet).
    ByteLevel,
    /// Text with `▁` for a space (SentencePiece); a byte by itself is `<0xNN>`.
    Spaces {
        /// Whether decoding drops one space at the beginning, which encoding had put there.
        strip: bool,
    },
}

/// What SentencePiece writes for a space.
pub(super) const SPACE: char = '▁';

impl Spelling {
    /// The bytes that a token stands for.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => {
                token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Self::Spaces { .. } => match byte_token(token) {
                Some(byte) => vec![byte],
                None => token.replace(SPACE, " ").into_bytes(),
            },
        }
    }

    /// How the token may be written that stands for a text, likeliest first.
    pub(super) fn of(self, text: &str) -> Vec<String> {
        let unescaped = unescaped(text);
        let readings = std::iter::once(text.as_bytes()).chain(unescaped.as_deref());
        match self {
            Self::ByteLevel => readings.map(|bytes| bytes.iter().map(|&b| char_of(b)).collect()).collect(),
            Self::Spaces { .. } => std::iter::once(text.replace(' ', "▁"))
                .chain(readings.filter(|bytes| bytes.len() == 1).map(|bytes| format!("<0x{:02X}>", bytes[0])))
                .collect(),
        }
    }
}

/// The byte that SentencePiece's `<0xNN>` stands for.
pub(super) fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Whether a byte is written as the character of the same number in GPT-2's alphabet.
const fn is_itself(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// GPT-2's alphabet: the printable bytes of Latin-1 as themselves, the others as the characters from U+0100 on.
const CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let (mut byte, mut others) = (0, 0);
    while byte < 256 {
        chars[byte] = if is_itself(byte as u8) {
            byte as u8 as char
        } else {
            others += 1;
            match char::from_u32(0xFF + others) {
                Some(c) => c,
                None => panic!("below the surrogates"),
            }
        };
        byte += 1;
    }
    chars
};

/// How many bytes are not written as themselves.
const OTHERS: usize = 68;

/// The bytes that the characters from U+0100 on stand for.
const BYTES: [u8; OTHERS] = {
    let mut bytes = [0; OTHERS];
    let (mut byte, mut others) = (0, 0);
    while byte < 256 {
        if !is_itself(byte as u8) {
            bytes[others] = byte as u8;
            others += 1;
        }
        byte += 1;
    }
    bytes
};

/// The character that GPT-2's alphabet writes for a byte.
pub(super) fn char_of(byte: u8) -> char {
    CHARS[byte as usize]
}

/// The byte that a character of GPT-2's alphabet stands for.
fn byte_of(c: char) -> Option<u8> {
    match u8::try_from(c) {
        Ok(byte) => is_itself(byte).then_some(byte),
        Err(_) => BYTES.get((c as usize).checked_sub(256)?).copied(),
    }
}

/// Bytes as text, with `\xNN` for those that are not UTF-8.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    text
}

/// Undoes [`escaped`], if there is something to undo.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let digits = rest.get(at + 2..at + 4)?;
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[at + 4..];
    }
    if bytes.is_empty() {
        return None;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_gpt2s() {
        let check = |byte: u8, c: char| {
            assert_eq!(char_of(byte), c);
            assert_eq!(byte_of(c), Some(byte));
        };
        check(b' ', 'Ġ');
        check(b'\n', 'Ċ');
        check(b'\t', 'ĉ');
        check(b'A', 'A');
        check(0x00, 'Ā');
        check(0x7F, 'ġ');
        check(0xA0, 'ł');
        check(0xAD, 'Ń');
        check(0xFF, 'ÿ');
        for byte in 0..=255 {
            check(byte, char_of(byte));
        }
        for c in [' ', '\u{AD}', '\u{144}', '世'] {
            assert_eq!(byte_of(c), None, "{c:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        let check = |bytes: &[u8], text: &str| {
            assert_eq!(escaped(bytes), text);
            assert_eq!(unescaped(text).as_deref().unwrap_or(text.as_bytes()), bytes);
        };
        check(b" Paris", " Paris");
        check("é".as_bytes(), "é");
        check(&[0xC3], "\\xC3");
        check(&[b'a', 0xE4, 0xB8, b'b', 0xFF], "a\\xE4\\xB8b\\xFF");
        check(b"", "");
    }

    #[test]
    fn escapes_that_are_none_are_left_alone() {
        for text in ["\\x", "\\xé", "\\xZZ", "a\\x4", "\\x+1"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }

    #[test]
    fn byte_tokens_are_told_from_text() {
        for (token, byte) in
            [("<0x0A>", Some(10)), ("<0xff>", Some(255)), ("<0x0>", None), ("<0x+1>", None), ("<s>", None)]
        {
            assert_eq!(byte_token(token), byte, "{token}");
        }
    }
}
