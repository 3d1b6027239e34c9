//! Decoding one id at a time.

use super::Tokenizer;
use super::spelling::Spelling;

/// Decodes ids one at a time: each push gives the text that has become certain. A character whose bytes are spread
/// over several tokens appears with the last of them.
#[derive(Debug)]
pub struct Stream<'t> {
    tokenizer: &'t Tokenizer,
    /// The beginning of a character.
    pending: Vec<u8>,
    /// Whether the next byte is the first of all.
    at_start: bool,
}

impl<'t> Stream<'t> {
    pub(super) fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, pending: Vec::new(), at_start: true }
    }

    /// Takes the next id and gives the text that is now complete, which may be empty.
    pub fn push(&mut self, id: u32) -> String {
        let bytes = self.tokenizer.bytes(id).unwrap_or_default();
        let mut bytes = bytes.as_slice();
        if self.at_start && !bytes.is_empty() {
            self.at_start = false;
            if self.tokenizer.spelling == (Spelling::Spaces { strip: true }) {
                bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            }
        }
        self.pending.extend_from_slice(bytes);
        let (text, unfinished) = complete(&self.pending);
        self.pending = unfinished;
        text
    }

    /// Ends the text. What is left of an unfinished character becomes U+FFFD.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// The text that bytes hold, and the unfinished character that they end with. What cannot be part of any character
/// becomes U+FFFD, in the manner of [`String::from_utf8_lossy`].
fn complete(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        let cut_short = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
        if cut_short && chunks.peek().is_none() {
            return (text, invalid.to_vec());
        }
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_appear_when_they_are_whole() {
        let check = |bytes: &[u8], text: &str, unfinished: &[u8]| {
            assert_eq!(complete(bytes), (text.to_owned(), unfinished.to_vec()), "{bytes:?}");
        };
        check(b"", "", b"");
        check(b"abc", "abc", b"");
        check(&[b'a', 0xE4, 0xB8], "a", &[0xE4, 0xB8]);
        check(&[b'a', 0xE4, 0xB8, 0x96], "a世", b"");
        check(&[0xE4, 0xB8, b'b'], "\u{FFFD}b", b"");
        check(&[0xFF, 0xF0, 0x9F], "\u{FFFD}", &[0xF0, 0x9F]);
        check(&[0xE4, 0xF0, 0x9F], "\u{FFFD}", &[0xF0, 0x9F]);
        check(&[0x80], "\u{FFFD}", b"");
    }
}
