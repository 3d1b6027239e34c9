//! Which files of a repository are needed to open its model.

use crate::error::shortened;
use crate::sharded::INDEX;

/// What describes a model beside its weights, the model card for its licence.
const BESIDE: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "README.md",
];

/// Beginning of the names of templates for chats.
const TEMPLATE: &str = "chat_template.";

/// Endings of files that are Python programs.
const PICKLES: &[&str] = &[".bin", ".pt", ".pth", ".ckpt", ".pkl"];

/// Files to fetch, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) files: Vec<String>,
    /// Whether the last of them is an index that names more.
    pub(super) sharded: bool,
}

/// Chooses among the files of a repository, or says why none will do.
pub(super) fn needed(all: &[String]) -> Result<Needed, String> {
    let here: Vec<&str> = all.iter().map(String::as_str).filter(|name| !name.contains(['/', '\\'])).collect();
    let ending = |endings: &[&str]| -> Vec<&str> {
        here.iter().copied().filter(|name| endings.iter().any(|ending| name.ends_with(ending))).collect()
    };
    let (safetensors, gguf) = (ending(&[".safetensors"]), ending(&[".gguf"]));
    let weights = if let Some(usual) = [INDEX, "model.safetensors"].into_iter().find(|name| here.contains(name)) {
        usual
    } else {
        match (safetensors.as_slice(), gguf.as_slice(), ending(PICKLES).first()) {
            ([one], ..) => one,
            ([first, _, ..], ..) => {
                return Err(format!(
                    "it holds {} safetensors files without an index, such as {}: not one model that can be opened",
                    safetensors.len(),
                    shortened(first)
                ));
            }
            ([], [one], _) => return Ok(Needed { files: vec![(*one).to_owned()], sharded: false }),
            ([], [first, _, ..], _) => {
                return Err(format!(
                    "it holds {} GGUF files, such as {}: fetch one of them (`hf download`) and name that file",
                    gguf.len(),
                    shortened(first)
                ));
            }
            ([], [], Some(pickle)) => {
                return Err(format!(
                    "its weights are Python pickles only ({}), which are programs and are not run here. Look for a \
                     repository or a revision of it with safetensors, or convert it in Python: `save_pretrained`",
                    shortened(pickle)
                ));
            }
            ([], [], None) => return Err("it holds neither safetensors nor GGUF: name another repository".into()),
        }
    };
    if !here.contains(&"config.json") {
        return Err(
            "it holds weights but no config.json, which says what network they form: name the repository of the \
                    whole model"
                .into(),
        );
    }
    let beside = here.iter().filter(|name| BESIDE.contains(name) || name.starts_with(TEMPLATE));
    let files = beside.copied().chain([weights]).map(str::to_owned).collect();
    Ok(Needed { files, sharded: weights == INDEX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Needed, String> {
        needed(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_is_needed_and_weights_last() {
        let all = [
            ".gitattributes",
            "model.safetensors",
            "pytorch_model.bin",
            "config.json",
            "onnx/model.onnx",
            "tokenizer.json",
            "chat_template.jinja",
            "sub/chat_template.jinja",
            "vocab.json",
            "README.md",
        ];
        let needed = of(&all).unwrap();
        let expected = ["config.json", "tokenizer.json", "chat_template.jinja", "README.md", "model.safetensors"];
        assert_eq!((needed.files, needed.sharded), (expected.map(str::to_owned).to_vec(), false));
        let sharded = of(&["a-1.safetensors", "a-2.safetensors", INDEX, "config.json"]).unwrap();
        assert_eq!((sharded.files, sharded.sharded), (vec!["config.json".into(), INDEX.into()], true));
        assert_eq!(of(&["other.safetensors", "config.json"]).unwrap().files[1], "other.safetensors");
        assert_eq!(of(&["a.gguf", "config.json"]).unwrap().files, ["a.gguf"]);
    }

    #[test]
    fn what_cannot_be_opened_is_told() {
        for (names, told) in [
            (&["config.json", "pytorch_model.bin"][..], "Python pickles only (pytorch_model.bin)"),
            (&["a.gguf", "b.gguf"], "2 GGUF files, such as a.gguf"),
            (&["model.safetensors"], "no config.json"),
            (&["a.safetensors", "b.safetensors", "config.json"], "without an index"),
            (&["config.json", "sub/model.safetensors"], "neither safetensors nor GGUF"),
            (&[], "neither safetensors nor GGUF"),
        ] {
            let why = of(names).unwrap_err();
            assert!(why.contains(told), "{names:?}: {why}");
        }
    }
}
