//! `pellucid card MODEL`

use anyhow::Result;
use clap::ArgMatches;
use engine::tokenizer::Description;
use serde::Serialize;
use serde_json::Value;
use store::ModelFile;
use views::Opened;

use crate::{model, output};

/// A model's card: its JSON form is fixed. What is not known is null.
#[derive(Serialize)]
pub(crate) struct Card {
    name: String,
    family: &'static str,
    parameters: u64,
    n_layers: usize,
    n_heads: Option<usize>,
    n_kv_heads: Option<usize>,
    d_model: usize,
    d_mlp: Option<usize>,
    d_vocab: Option<usize>,
    n_ctx: Option<usize>,
    dtype: Option<&'static str>,
    tokenizer: Option<String>,
    weights_sha256: String,
    licence: Option<String>,
    source: Option<String>,
    training: Option<String>,
}

/// The card of a model.
pub(crate) fn of(opened: &Opened) -> Result<Card> {
    let (file, spec) = (opened.file(), opened.model()?.spec());
    let sizes = &spec.sizes;
    Ok(Card {
        name: file.name(),
        family: spec.family,
        parameters: spec.parameter_count(),
        n_layers: sizes.n_layers,
        n_heads: sizes.n_heads,
        n_kv_heads: sizes.n_kv_heads,
        d_model: sizes.d_model,
        d_mlp: sizes.d_mlp,
        d_vocab: sizes.d_vocab,
        n_ctx: sizes.n_ctx,
        dtype: file.dtype(),
        tokenizer: tokenizer(file),
        weights_sha256: file.weights_sha256()?,
        licence: file.licence(),
        source: file.source(),
        training: file.training(),
    })
}

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let card = of(&model::open_to_describe(model::reference(matches))?)?;
    if matches.get_flag("json") {
        return output::print_json(&card);
    }
    let fields = serde_json::to_value(&card)?;
    let word = |value: &Value| match value {
        Value::Null => "not known".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for (name, value) in fields.as_object().into_iter().flatten() {
        output::print(&format!("{name:<16}{}\n", figure::visible(&word(value))))?;
    }
    Ok(())
}

/// The kind of tokenizer, as the files call it. One that cannot be read is not known.
fn tokenizer(file: &ModelFile) -> Option<String> {
    Some(match file.tokenizer_description().ok()?? {
        Description::Gguf(found) => match found.pre {
            Some(pre) => format!("{} ({pre})", found.model),
            None => found.model,
        },
        Description::Json(_) => "tokenizer.json".to_owned(),
    })
}
