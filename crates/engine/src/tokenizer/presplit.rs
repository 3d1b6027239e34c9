//! How byte-level vocabularies cut text into words, by the names that GGUF files use (`tokenizer.ggml.pre`).
//!
//! The names and what they mean are llama.cpp's (`llama-vocab.cpp`). The patterns are those of the models' own
//! `tokenizer.json`, which llama.cpp rewrites for want of case folding, and which some models precede by Unicode
//! composition.

use tokenizers::SplitDelimiterBehavior;
use tokenizers::normalizers::{NFC, NormalizerWrapper};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use super::build::{fault, shortened};
use crate::{Error, Result};

/// One way to cut text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presplit {
    names: &'static [&'static str],
    cut: Cut,
    /// Whether characters are composed first (NFC).
    composes: bool,
    /// Whether a word that is a token is taken whole, without looking for merges.
    pub(super) ignore_merges: bool,
    /// Whether a beginning-of-text token goes in front if the file does not say.
    pub(super) adds_bos: bool,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// GPT-2's pattern.
    Gpt2,
    /// Each digit by itself, then GPT-2's pattern.
    DigitsGpt2,
    /// These patterns one after another, each within the pieces that those before it leave.
    Patterns(&'static [&'static str]),
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const QWEN35: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const GPT4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const CJK: &str = r"[一-龥぀-ゟ゠-ヿ]+";

const DEEPSEEK3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const fn cut(names: &'static [&'static str], cut: Cut) -> Presplit {
    Presplit { names, cut, composes: false, ignore_merges: false, adds_bos: false }
}

/// Every way that is known.
const ALL: &[Presplit] = &[
    // llama.cpp's own, for files that name none.
    cut(&["default"], Cut::Patterns(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"])),
    cut(
        &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
            "mellum",
            "modern-bert",
            "gigachat",
            "a.x-4.0",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
        ],
        Cut::Gpt2,
    ),
    cut(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        Cut::DigitsGpt2,
    ),
    Presplit {
        ignore_merges: true,
        adds_bos: true,
        ..cut(
            &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
            Cut::Patterns(&[LLAMA3]),
        )
    },
    cut(&["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], Cut::Patterns(&[LLAMA3])),
    Presplit { composes: true, ..cut(&["qwen2", "kormo", "megrez", "f2llmv2"], Cut::Patterns(&[QWEN2])) },
    cut(&["deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "grok-2"], Cut::Patterns(&[QWEN2])),
    Presplit { composes: true, ..cut(&["qwen35"], Cut::Patterns(&[QWEN35])) },
    Presplit { ignore_merges: true, adds_bos: true, ..cut(&["tekken"], Cut::Patterns(&[TEKKEN])) },
    cut(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], Cut::Patterns(&[GPT4O])),
    cut(&["deepseek-v3", "hunyuan-dense", "joyai-llm"], Cut::Patterns(&[r"\p{N}{1,3}", CJK, DEEPSEEK3])),
    cut(&["falcon"], Cut::Patterns(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"])),
];

/// The way that goes by a name, or the default for files that name none.
pub(super) fn named(name: Option<&str>) -> Result<Presplit> {
    let name = name.unwrap_or("default");
    ALL.iter().find(|way| way.names.contains(&name)).copied().ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().flat_map(|way| way.names).copied().collect();
        Error::Tokenizer(format!(
            "text is cut in a way called `{}`, which is not supported; supported: {}. A tokenizer.json of the \
             same model says it in full",
            shortened(name),
            known.join(", ")
        ))
    })
}

impl Presplit {
    pub(super) fn normalizer(&self) -> Option<NormalizerWrapper> {
        self.composes.then(|| NFC.into())
    }

    pub(super) fn words(&self) -> Result<PreTokenizerWrapper> {
        let bytes = |by_pattern: bool| PreTokenizerWrapper::from(ByteLevel::new(false, true, by_pattern));
        Ok(match self.cut {
            Cut::Gpt2 => bytes(true),
            Cut::DigitsGpt2 => Sequence::new(vec![Digits::new(true).into(), bytes(true)]).into(),
            Cut::Patterns(patterns) => {
                let mut steps = patterns.iter().map(|pattern| split(pattern)).collect::<Result<Vec<_>>>()?;
                steps.push(bytes(false));
                Sequence::new(steps).into()
            }
        })
    }
}

fn split(pattern: &str) -> Result<PreTokenizerWrapper> {
    let split = Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false);
    Ok(split.map_err(fault)?.into())
}

#[cfg(test)]
mod tests {
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;

    fn pieces(name: &str, text: &str) -> Vec<String> {
        let mut cut = PreTokenizedString::from(text);
        named(Some(name)).unwrap().words().unwrap().pre_tokenize(&mut cut).unwrap();
        let pieces = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        pieces.into_iter().map(|(_, (from, to), _)| text[from..to].to_owned()).collect()
    }

    #[test]
    fn each_name_is_given_once_and_compiles() {
        let names: Vec<&str> = ALL.iter().flat_map(|way| way.names).copied().collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
            named(Some(name)).unwrap().words().unwrap();
        }
    }

    #[test]
    fn ways_differ_where_they_should() {
        let text = "I'LL pay  1234€\n\nNow";
        let check = |name: &str, expected: &[&str]| assert_eq!(pieces(name, text), expected, "{name}");
        check("gpt-2", &["I", "'", "LL", " pay", " ", " 1234", "€", "\n", "\n", "Now"]);
        check("smollm", &["I", "'", "LL", " pay", "  ", "1", "2", "3", "4", "€", "\n", "\n", "Now"]);
        check("llama-bpe", &["I", "'LL", " pay", " ", " ", "123", "4", "€\n\n", "Now"]);
        check("qwen2", &["I", "'LL", " pay", " ", " ", "1", "2", "3", "4", "€\n\n", "Now"]);
        check("tekken", &["I", "'LL", " pay", " ", " ", "1", "2", "3", "4", "€\n\n", "Now"]);
        check("gpt-4o", &["I'LL", " pay", " ", " ", "123", "4", "€\n\n", "Now"]);
        check("default", &["I", "'", "LL", " pay", " ", " ", "123", "4", "€", "\n", "\n", "Now"]);
        check("falcon", &["I", "'", "LL", " pay", " ", " ", "123", "4", "€", "\n", "\n", "Now"]);
        check("deepseek-v3", &["I", "'LL", " pay", "  ", "123", "4", "€\n\n", "Now"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let message = named(Some("no-such")).unwrap_err().to_string();
        assert!(message.contains("`no-such`") && message.contains("smollm"), "{message}");
    }
}
