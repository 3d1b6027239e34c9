//! The steps around merging, as `tokenizer.json` lists them: normalising the text, cutting it into words, and what
//! its decoder says about how tokens are written.
//!
//! Every kind of step that is not listed here is refused by its name. Those that are listed could still be combined so
//! that a short text becomes one of gigabytes; such combinations are refused too.

use serde::Deserialize;
use tokenizers::SplitDelimiterBehavior;
use tokenizers::normalizers::{self, NormalizerWrapper, Strip, StripAccents, replace};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};

use super::build::{fault, shortened};
use super::spelling::{SPACE, Spelling};
use crate::{Error, Result};

/// Steps of one kind in all. Five are many.
const MOST_STEPS: usize = 32;

/// Bytes of a pattern. The longest in use have some 400.
const LONGEST_PATTERN: usize = 4096;

/// How many times longer a text may become by replacing. Writing `▁` for a space makes it three times as long.
const MOST_GROWTH: usize = 64;

/// What to look for.
#[derive(Debug, Deserialize)]
pub(super) enum Pattern {
    String(String),
    Regex(String),
}

impl Pattern {
    fn check(&self) -> Result<()> {
        let (Self::String(text) | Self::Regex(text)) = self;
        match text.len() {
            0 => Err(Error::Tokenizer("a pattern to look for is empty".into())),
            1..=LONGEST_PATTERN => Ok(()),
            len => Err(Error::Tokenizer(format!("a pattern to look for has {len} bytes, more than {LONGEST_PATTERN}"))),
        }
    }
}

/// `normalizer` of `tokenizer.json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Normalizer {
    Sequence {
        normalizers: Vec<Normalizer>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Lowercase,
    StripAccents,
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    Prepend {
        prepend: String,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
}

/// What normalising may still do.
struct Allowance {
    steps: usize,
    growth: usize,
}

impl Normalizer {
    /// Checks and builds.
    pub(super) fn build(self) -> Result<NormalizerWrapper> {
        self.step(&mut Allowance { steps: MOST_STEPS, growth: MOST_GROWTH })
    }

    fn step(self, left: &mut Allowance) -> Result<NormalizerWrapper> {
        left.step()?;
        Ok(match self {
            Self::Sequence { normalizers: steps } => {
                let steps: Result<Vec<_>> = steps.into_iter().map(|step| step.step(left)).collect();
                normalizers::Sequence::new(steps?).into()
            }
            Self::Nfc => normalizers::NFC.into(),
            Self::Nfd => normalizers::NFD.into(),
            Self::Nfkc => normalizers::NFKC.into(),
            Self::Nfkd => normalizers::NFKD.into(),
            Self::Lowercase => normalizers::Lowercase.into(),
            Self::StripAccents => StripAccents.into(),
            Self::Strip { strip_left, strip_right } => Strip::new(strip_left, strip_right).into(),
            Self::Prepend { prepend } => {
                left.grow(prepend.len())?;
                normalizers::Prepend::new(prepend).into()
            }
            Self::Replace { pattern, content } => {
                pattern.check()?;
                let (pattern, shortest) = match pattern {
                    Pattern::String(text) => {
                        let len = text.len();
                        (replace::ReplacePattern::String(text), len)
                    }
                    Pattern::Regex(regex) => {
                        let shortest = shortest_match(&regex)?;
                        (replace::ReplacePattern::Regex(regex), shortest)
                    }
                };
                let growth = content.len().div_ceil(shortest);
                left.grow(growth)?;
                normalizers::Replace::new(pattern, content).map_err(fault)?.into()
            }
        })
    }
}

/// Bytes of the shortest text that a regular expression matches. One that matches between characters is refused, as it
/// would insert and not replace, and so is one with assertions about what is around, for which this cannot be told.
fn shortest_match(regex: &str) -> Result<usize> {
    let parsed = regex_syntax::parse(regex).map_err(fault)?;
    match parsed.properties().minimum_len() {
        None | Some(0) => {
            Err(Error::Tokenizer(format!("a pattern to replace matches nothing at all: {}", shortened(regex))))
        }
        Some(len) => Ok(len),
    }
}

impl Allowance {
    fn step(&mut self) -> Result<()> {
        let too_many = || Error::Tokenizer(format!("normalising takes more than {MOST_STEPS} steps"));
        self.steps = self.steps.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }

    /// A step that makes a text longer by a factor.
    fn grow(&mut self, factor: usize) -> Result<()> {
        self.growth /= factor.max(1);
        if self.growth > 0 {
            return Ok(());
        }
        Err(Error::Tokenizer(format!("normalising could make a text more than {MOST_GROWTH} times as long")))
    }
}

/// `pre_tokenizer` of `tokenizer.json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Words {
    Sequence {
        pretokenizers: Vec<Words>,
    },
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Split {
        pattern: Pattern,
        behavior: SplitDelimiterBehavior,
        #[serde(default)]
        invert: bool,
    },
    Digits {
        #[serde(default)]
        individual_digits: bool,
    },
    Punctuation {
        #[serde(default = "isolated")]
        behavior: SplitDelimiterBehavior,
    },
    Metaspace {
        replacement: char,
        /// The older way to say `prepend_scheme`.
        add_prefix_space: Option<bool>,
        prepend_scheme: Option<PrependScheme>,
        #[serde(default = "yes")]
        split: bool,
    },
    Whitespace,
    WhitespaceSplit,
}

fn yes() -> bool {
    true
}

fn isolated() -> SplitDelimiterBehavior {
    SplitDelimiterBehavior::Isolated
}

impl Words {
    /// Checks and builds.
    pub(super) fn build(self) -> Result<PreTokenizerWrapper> {
        self.step(&mut (0, 0))
    }

    /// One step. `counts` are of steps, and of steps that write bytes as characters: each of these doubles a text at
    /// most, and there is no use for a second.
    fn step(self, counts: &mut (usize, usize)) -> Result<PreTokenizerWrapper> {
        counts.0 += 1;
        if counts.0 > MOST_STEPS {
            return Err(Error::Tokenizer(format!("cutting into words takes more than {MOST_STEPS} steps")));
        }
        Ok(match self {
            Self::Sequence { pretokenizers: steps } => {
                let steps: Result<Vec<_>> = steps.into_iter().map(|step| step.step(counts)).collect();
                Sequence::new(steps?).into()
            }
            Self::ByteLevel { add_prefix_space, use_regex } => {
                counts.1 += 1;
                if counts.1 > 1 {
                    return Err(Error::Tokenizer("it writes bytes as characters more than once (ByteLevel)".into()));
                }
                ByteLevel::new(add_prefix_space, true, use_regex).into()
            }
            Self::Split { pattern, behavior, invert } => {
                pattern.check()?;
                let pattern = match pattern {
                    Pattern::String(text) => SplitPattern::String(text),
                    Pattern::Regex(regex) => SplitPattern::Regex(regex),
                };
                Split::new(pattern, behavior, invert).map_err(fault)?.into()
            }
            Self::Digits { individual_digits } => Digits::new(individual_digits).into(),
            Self::Punctuation { behavior } => Punctuation::new(behavior).into(),
            Self::Metaspace { replacement, add_prefix_space, prepend_scheme, split } => {
                let scheme = match add_prefix_space {
                    Some(false) => PrependScheme::Never,
                    _ => prepend_scheme.unwrap_or(PrependScheme::Always),
                };
                Metaspace::new(replacement, scheme, split).into()
            }
            Self::Whitespace => Whitespace.into(),
            Self::WhitespaceSplit => WhitespaceSplit.into(),
        })
    }
}

/// `decoder` of `tokenizer.json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Decoder {
    Sequence { decoders: Vec<Decoder> },
    ByteLevel,
    Metaspace { add_prefix_space: Option<bool>, prepend_scheme: Option<PrependScheme> },
    Replace { pattern: Pattern, content: String },
    ByteFallback,
    Fuse,
    Strip { content: char, start: usize, stop: usize },
}

impl Decoder {
    /// How the vocabulary is written, by the way it is read.
    pub(super) fn spelling(&self) -> Result<Spelling> {
        let steps = match self {
            Self::Sequence { decoders } => decoders.as_slice(),
            one => std::slice::from_ref(one),
        };
        let (mut bytes, mut spaces, mut strip) = (false, false, false);
        for step in steps {
            match step {
                Self::ByteLevel => bytes = true,
                Self::Metaspace { add_prefix_space, prepend_scheme } => {
                    spaces = true;
                    strip = *add_prefix_space != Some(false) && *prepend_scheme != Some(PrependScheme::Never);
                }
                Self::Replace { pattern: Pattern::String(from), content }
                    if from.chars().eq([SPACE]) && content == " " =>
                {
                    spaces = true;
                }
                Self::ByteFallback | Self::Fuse => {}
                Self::Strip { content: ' ', start: 1, stop: 0 } => strip = true,
                other => {
                    let other = shortened(&format!("{other:?}"));
                    return Err(Error::Tokenizer(format!("tokens are read in a way that is not supported: {other}")));
                }
            }
        }
        match (bytes, spaces) {
            (true, false) => Ok(Spelling::ByteLevel),
            (false, true) => Ok(Spelling::Spaces { strip }),
            _ => Err(Error::Tokenizer("its decoder should either be ByteLevel or say what stands for a space".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused<T: serde::de::DeserializeOwned, R>(step: Value, build: impl FnOnce(T) -> Result<R>) -> String {
        match serde_json::from_value::<T>(step) {
            Err(e) => e.to_string(),
            Ok(step) => build(step).err().unwrap().to_string(),
        }
    }

    #[test]
    fn what_grows_without_bound_is_refused() {
        let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "normalizers": steps});
        let check = |step: Value, part: &str| {
            let message = refused(step, Normalizer::build);
            assert!(message.contains(part), "{message}");
        };
        check(sequence(vec![replace("a", "aa"); 7]), "64 times");
        check(replace("a", &"b".repeat(65)), "64 times");
        for regex in ["x*", "|x", "\\b", "$"] {
            check(json!({"type": "Replace", "pattern": {"Regex": regex}, "content": "b"}), "matches nothing");
        }
        check(json!({"type": "Replace", "pattern": {"Regex": "(?=x)"}, "content": "b"}), "look-around");
        check(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "b".repeat(130)}), "64 times");
        check(sequence(vec![json!({"type": "NFC"}); 40]), "32 steps");
        check(replace("", "a"), "empty");
        check(json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""}), "unclosed group");
        check(json!({"type": "Precompiled", "precompiled_charsmap": ""}), "unknown variant `Precompiled`");
        let allowed: Normalizer = serde_json::from_value(sequence(vec![replace("a", "aa"); 6])).unwrap();
        allowed.build().unwrap();
    }

    #[test]
    fn words_are_cut_by_known_steps() {
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false});
        let check = |step: Value, part: &str| {
            let message = refused(step, Words::build);
            assert!(message.contains(part), "{message}");
        };
        check(json!({"type": "Sequence", "pretokenizers": [bytes, bytes]}), "more than once");
        check(json!({"type": "Sequence", "pretokenizers": vec![json!({"type": "Whitespace"}); 40]}), "32 steps");
        check(json!({"type": "UnicodeScripts"}), "unknown variant `UnicodeScripts`");
        let long = "a".repeat(5000);
        check(json!({"type": "Split", "pattern": {"Regex": long}, "behavior": "Isolated"}), "5000 bytes");
    }

    #[test]
    fn decoders_say_how_tokens_are_written() {
        let check = |step: Value, expected: Option<Spelling>| {
            let decoder: Decoder = serde_json::from_value(step.clone()).unwrap();
            assert_eq!(decoder.spelling().ok(), expected, "{step}");
        };
        let spaces = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
        let strip = json!({"type": "Strip", "content": " ", "start": 1, "stop": 0});
        let fuse = json!({"type": "Fuse"});
        let fallback = json!({"type": "ByteFallback"});
        let sequence = |steps: &[&Value]| json!({"type": "Sequence", "decoders": steps});
        check(json!({"type": "ByteLevel", "trim_offsets": true}), Some(Spelling::ByteLevel));
        check(sequence(&[&spaces, &fallback, &fuse, &strip]), Some(Spelling::Spaces { strip: true }));
        check(sequence(&[&spaces, &fallback, &fuse]), Some(Spelling::Spaces { strip: false }));
        check(json!({"type": "Metaspace", "replacement": "▁"}), Some(Spelling::Spaces { strip: true }));
        check(json!({"type": "Metaspace", "prepend_scheme": "never"}), Some(Spelling::Spaces { strip: false }));
        check(fuse, None);
        check(json!({"type": "Replace", "pattern": {"String": "a"}, "content": "b"}), None);
    }
}
