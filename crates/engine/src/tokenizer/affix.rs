//! The special tokens that a tokenizer puts before and after a text.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::build::shortened;
use crate::{Error, Result};

/// Ids put around a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Affixes {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

/// `post_processor` of `tokenizer.json`, as far as it concerns a single text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Processor {
    /// Concerns offsets only, which are not used here.
    ByteLevel {},
    Sequence {
        processors: Vec<Processor>,
    },
    TemplateProcessing {
        single: Vec<Piece>,
        special_tokens: BTreeMap<String, SpecialToken>,
    },
    RobertaProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
}

/// An element of a template.
#[derive(Debug, Deserialize)]
pub(super) enum Piece {
    SpecialToken { id: String },
    Sequence {},
}

/// What a template means by the name of a special token.
#[derive(Debug, Deserialize)]
pub(super) struct SpecialToken {
    ids: Vec<u32>,
}

/// Tokens around a text, in all. Two are usual.
const MOST: usize = 256;

impl Affixes {
    /// What a post-processor adds.
    pub(super) fn of(processor: &Processor) -> Result<Self> {
        let mut affixes = Self::default();
        affixes.surround(processor)?;
        Ok(affixes)
    }

    fn surround(&mut self, processor: &Processor) -> Result<()> {
        match processor {
            Processor::ByteLevel {} => {}
            Processor::Sequence { processors } => processors.iter().try_for_each(|p| self.surround(p))?,
            Processor::TemplateProcessing { single, special_tokens } => self.fill(single, special_tokens)?,
            Processor::RobertaProcessing { sep, cls } | Processor::BertProcessing { sep, cls } => {
                self.before.insert(0, cls.1);
                self.after.push(sep.1);
            }
        }
        let len = self.before.len() + self.after.len();
        if len > MOST {
            Err(Error::Tokenizer(format!("it puts {len} tokens around a text, more than {MOST}")))
        } else {
            Ok(())
        }
    }

    fn fill(&mut self, template: &[Piece], special: &BTreeMap<String, SpecialToken>) -> Result<()> {
        let texts = template.iter().filter(|piece| matches!(piece, Piece::Sequence {})).count();
        if texts != 1 {
            return Err(Error::Tokenizer(format!(
                "its template for a single text has {texts} places for the text, not one"
            )));
        }
        let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
        for piece in template {
            match piece {
                Piece::Sequence {} => seen = true,
                Piece::SpecialToken { id } => {
                    let Some(token) = special.get(id) else {
                        let id = shortened(id);
                        return Err(Error::Tokenizer(format!("its template names `{id}`, which it does not define")));
                    };
                    if seen { &mut after } else { &mut before }.extend_from_slice(&token.ids);
                }
            }
            if before.len() + after.len() > MOST {
                return Err(Error::Tokenizer(format!("it puts more than {MOST} tokens around a text")));
            }
        }
        before.append(&mut self.before);
        self.before = before;
        self.after.append(&mut after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn affixes(processor: Value) -> Result<(Vec<u32>, Vec<u32>)> {
        let processor: Processor = serde_json::from_value(processor).unwrap();
        Affixes::of(&processor).map(|found| (found.before, found.after))
    }

    fn template(before: &[&str], after: &[&str]) -> Value {
        let piece = |name: &&str| json!({"SpecialToken": {"id": name, "type_id": 0}});
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let single: Vec<Value> = before.iter().map(piece).chain([text]).chain(after.iter().map(piece)).collect();
        let token = |ids: &[u32]| json!({"id": "", "ids": ids, "tokens": []});
        let special = json!({"<s>": token(&[1]), "</s>": token(&[2]), "many": token(&[9; 200])});
        json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special})
    }

    #[test]
    fn special_tokens_surround_the_text() {
        let check = |processor: Value, before: &[u32], after: &[u32]| {
            assert_eq!(affixes(processor).unwrap(), (before.to_vec(), after.to_vec()));
        };
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false});
        let sentence =
            json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": true});
        check(bytes.clone(), &[], &[]);
        check(template(&["<s>"], &[]), &[1], &[]);
        check(template(&["<s>", "<s>"], &["</s>"]), &[1, 1], &[2]);
        check(sentence.clone(), &[1], &[2]);
        check(
            json!({"type": "Sequence", "processors": [bytes, sentence, template(&["</s>"], &["<s>"])]}),
            &[2, 1],
            &[2, 1],
        );
    }

    #[test]
    fn templates_that_are_none_are_refused() {
        let check = |processor: Value, part: &str| {
            let message = affixes(processor).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check(template(&["<t>"], &[]), "names `<t>`");
        check(template(&["many"], &["many"]), "more than 256");
        check(json!({"type": "Sequence", "processors": [template(&["many"], &[]), template(&["many"], &[])]}), "256");
        check(json!({"type": "TemplateProcessing", "single": [], "special_tokens": {}}), "0 places");
        let twice = json!([{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]);
        check(json!({"type": "TemplateProcessing", "single": twice, "special_tokens": {}}), "2 places");
    }
}
