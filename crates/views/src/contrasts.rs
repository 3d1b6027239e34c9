//! Pairs of prompts as parameters: one that brings a behaviour about, one that does not, and the tokens that tell.

use methods::{Ask, Contrast};
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::{CorpusRef, Cx, Error, Prompt, PromptRef, Result};

/// The schema of a prompt that is a parameter of its own and not INPUT, of which there is one: a text.
pub(crate) fn side(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// A pair of prompts as the model reads them, and what their last predictions are held against.
pub(crate) struct Sides {
    pub(crate) clean: Prompt,
    pub(crate) corrupt: Prompt,
    pub(crate) contrast: Contrast,
}

/// Reads a pair. For a model without a tokenizer a text is token ids, `3,5,113`.
pub(crate) fn sides(cx: &Cx<'_>, clean: &PromptRef, corrupt: &PromptRef, answer: &str, wrong: &str) -> Result<Sides> {
    let (clean, corrupt) = (read(cx, clean)?, read(cx, corrupt)?);
    let ask = Ask { pos: clean.ids.len() - 1, answer: cx.token(answer)?, wrong: cx.token(wrong)? };
    let contrast = Contrast { clean: clean.ids.clone(), corrupt: corrupt.ids.clone(), asks: vec![ask] };
    if contrast.clean.len() != contrast.corrupt.len() {
        let unequal = |words: &[String]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ");
        return Err(engine::Error::Input(format!(
            "the clean prompt has {} tokens and the corrupt one {}, and activations can only be exchanged between equal \
             positions: reword one of them. Clean: {}. Corrupt: {}",
            contrast.clean.len(),
            contrast.corrupt.len(),
            unequal(&clean.words),
            unequal(&corrupt.words)
        ))
        .into());
    }
    Ok(Sides { clean, corrupt, contrast })
}

/// Pairs from a file, one on each line: clean prompt, corrupt prompt, answer and wrong answer, with tabs between them.
pub(crate) fn from_file(cx: &Cx<'_>, file: &CorpusRef) -> Result<Vec<Sides>> {
    let mut pairs = Vec::new();
    for (i, line) in cx.lines(file)?.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parts: Vec<&str> = line.split('\t').collect();
        let [clean, corrupt, answer, wrong] = parts[..] else {
            return Err(engine::Error::Input(format!(
                "{}: line {} has {} fields, and should have four with tabs between them: clean prompt, corrupt prompt, answer, \
                 wrong answer",
                file.0,
                i + 1,
                parts.len()
            ))
            .into());
        };
        let text = |text: &str| PromptRef::Text(text.to_owned());
        let pair = sides(cx, &text(clean), &text(corrupt), answer, wrong);
        pairs.push(pair.map_err(|error| match error {
            Error::Engine(engine::Error::Input(why)) => {
                Error::Engine(engine::Error::Input(format!("{}, line {}: {why}", file.0, i + 1)))
            }
            error => error,
        })?);
    }
    Ok(pairs)
}

fn read(cx: &Cx<'_>, prompt: &PromptRef) -> Result<Prompt> {
    if let (PromptRef::Text(text), None) = (prompt, cx.tokenizer()?) {
        let ids: std::result::Result<Vec<u32>, _> = text.split(',').map(|id| id.trim().parse()).collect();
        return ids.map_or(Err(Error::NoTokenizer), |ids| cx.prompt(&PromptRef::Tokens(ids)));
    }
    cx.prompt(prompt)
}
