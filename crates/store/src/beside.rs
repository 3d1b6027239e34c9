//! The small files that lie beside weights in a folder of Hugging Face.

use std::path::Path;

use engine::tokenizer::JsonDescription;
use serde_json::Value;

use crate::error::shortened;
use crate::map::{read, read_if_there};
use crate::{Error, Result};

/// No configuration comes near.
const LONGEST_CONFIG: u64 = 16 << 20;

/// A tokenizer of a quarter of a million tokens takes 30 MiB.
const LONGEST_TOKENIZER: u64 = 256 << 20;

/// Reads `config.json`. `asked` is what was opened.
pub(crate) fn config(folder: &Path, asked: &Path) -> Result<Value> {
    let path = folder.join("config.json");
    match read_if_there(&path, LONGEST_CONFIG)? {
        Some(json) => parse_config(&json, &path),
        None => Err(Error::Missing {
            path: asked.into(),
            what: "config.json".into(),
            why: "it says what network the tensors form. Put the model's own there",
        }),
    }
}

/// Reads the text of a `config.json`. `path` is for messages only.
pub(crate) fn parse_config(json: &[u8], path: &Path) -> Result<Value> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|e| Error::damaged(path, format!("it is not JSON: {}", shortened(&e.to_string()))))?;
    if value.is_object() { Ok(value) } else { Err(Error::damaged(path, "it is not a JSON object")) }
}

/// Reads the tokenizer's files, if there are any.
pub(crate) fn tokenizer(folder: &Path) -> Result<Option<JsonDescription>> {
    let path = folder.join("tokenizer.json");
    let Some(tokenizer) = read_if_there(&path, LONGEST_TOKENIZER)? else {
        let older = ["tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"];
        return match older.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
            None => Ok(None),
            Some(path) => Err(Error::Unsupported {
                place: path.as_path().into(),
                what: "a tokenizer in an older form, without tokenizer.json".into(),
                remedy: "Convert it in Python: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`",
            }),
        };
    };
    let config = read_if_there(&folder.join("tokenizer_config.json"), LONGEST_TOKENIZER)?;
    let template = folder.join("chat_template.jinja");
    let chat_template = match read_if_there(&template, LONGEST_CONFIG)? {
        None => None,
        Some(text) => Some(String::from_utf8(text).map_err(|_| Error::damaged(template.as_path(), "it is not UTF-8"))?),
    };
    Ok(Some(JsonDescription { tokenizer, config, chat_template }))
}

/// The licence that the head of `README.md` (a model card) states.
pub(crate) fn licence(folder: &Path) -> Option<String> {
    let text = String::from_utf8(read(&folder.join("README.md"), LONGEST_CONFIG).ok()?).ok()?;
    let mut lines = text.strip_prefix("---")?.lines().take_while(|line| *line != "---");
    let line = lines.find_map(|line| line.strip_prefix("license:"))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned()).filter(|licence| !licence.is_empty())
}
