//! A text that comes with the program, for measures that need one and were given none.

use crate::{CorpusRef, Cx, PromptRef, Result};

/// Ten paragraphs of plain English on as many subjects, 1,140 words, written for this program: no network has learnt it by
/// heart.
pub(crate) const PASSAGE: &str = include_str!("passage.txt");

/// Positions of one window of a text.
const WINDOW: usize = 256;

/// The beginning of a text that was named, or of the program's own, in windows that fit into the model; and what it is, in
/// words. Nothing where no text was named and the model has no tokenizer to read the program's own with.
pub(crate) fn windows(cx: &Cx<'_>, text: Option<&CorpusRef>, tokens: usize) -> Result<Option<(Vec<Vec<u32>>, String)>> {
    let (text, name) = match (text, cx.tokenizer()?) {
        (Some(text), _) => (cx.text(text, tokens)?, text.0.clone()),
        (None, Some(_)) => (PASSAGE.to_owned(), "the program's own prose".to_owned()),
        (None, None) => return Ok(None),
    };
    let mut ids = cx.prompt(&PromptRef::Text(text))?.ids;
    ids.truncate(tokens);
    let window = cx.model()?.spec().sizes.n_ctx.unwrap_or(WINDOW).min(WINDOW);
    let name = format!("the first {} tokens of {name}", ids.len());
    Ok(Some((ids.chunks(window).filter(|ids| ids.len() > 1).map(<[u32]>::to_vec).collect(), name)))
}
