//! Words as tokens.

use engine::Error;
use engine::tokenizer::Tokenizer;

use crate::Result;

/// The tokens that words stand for: of each the id, if it is a number, else the token of its text and that of its text
/// after a blank, whichever there are. None twice, in order.
pub(crate) fn tokens(tokenizer: Option<&Tokenizer>, words: &[String]) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for word in words {
        let found = match word.parse() {
            Ok(id) => vec![id],
            Err(_) => known(tokenizer, word),
        };
        if found.is_empty() {
            let why = format!("`{word}` is no token, with a blank before it or without: give an id, or a shorter word");
            return Err(Error::Input(why).into());
        }
        all.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|&id| seen.insert(id));
    Ok(all)
}

/// The tokens of a word's text and of its text after a blank, whichever there are.
pub(crate) fn known(tokenizer: Option<&Tokenizer>, word: &str) -> Vec<u32> {
    let texts = [word.to_owned(), format!(" {word}")];
    let mut ids: Vec<u32> =
        texts.iter().filter_map(|text| tokenizer.and_then(|tokenizer| tokenizer.id_of(text))).collect();
    ids.dedup();
    ids
}
