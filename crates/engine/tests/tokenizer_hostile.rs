//! Damaged and hostile descriptions of tokenizers: a message, or a tokenizer that works, but no panic and no growth
//! without bound.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use engine::tokenizer::{GgufDescription, Message, Special, Tokenizer};
use serde_json::{Value, json};

const TEXTS: &[&str] = &[
    "",
    " ",
    "Hello, world! 123",
    "  \n\t😀e\u{301} 世界<s></s>a1\0<|im_end|>▁ a",
    "\u{feff}\u{fdfa}ﬁ İ ẞ\u{345}aaaaaaaa",
];

/// Uses everything that a tokenizer can do.
fn exercise(tokenizer: &Tokenizer) {
    for text in TEXTS {
        for special in [Special::Default, Special::None, Special::Bos] {
            let Ok(ids) = tokenizer.encode(text, special) else { continue };
            assert!(ids.len() <= 512 + 640 * text.len(), "{} ids of {text:?}", ids.len());
            tokenizer.decode(&ids);
        }
        tokenizer.id_of(text);
    }
    for id in (0..16).chain([tokenizer.vocab_size() as u32, u32::MAX]) {
        tokenizer.token_text(id);
        tokenizer.is_special(id);
    }
    let _ = tokenizer.apply_chat(&[Message { role: "user".into(), content: "hi".into() }], true);
}

/// Messages are short, whatever the file holds.
fn settle(built: engine::Result<Tokenizer>) -> bool {
    match built {
        Ok(tokenizer) => exercise(&tokenizer),
        Err(e) => {
            assert!(e.to_string().len() < 2000, "{e}");
            return false;
        }
    }
    true
}

fn small(name: &str) -> Value {
    let path = format!("{}/../../tests/golden/tokenizer/{name}/tokenizer.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn read(file: &Value) -> engine::Result<Tokenizer> {
    Tokenizer::from_json(file.to_string().as_bytes(), None)
}

fn refused(built: engine::Result<Tokenizer>, part: &str) {
    let message = built.err().unwrap_or_else(|| panic!("should be refused: {part}")).to_string();
    assert!(message.starts_with("tokenizer: ") && message.contains(part), "{message}");
}

#[test]
fn damaged_files_are_refused_with_a_reason() {
    let change = |pointer: &str, value: Value| {
        let mut file = small("llama3");
        *file.pointer_mut(pointer).unwrap() = value;
        read(&file)
    };
    refused(Tokenizer::from_json(b"", None), "tokenizer.json");
    refused(Tokenizer::from_json(b"{\"model\": {\"vocab\": {\"a", None), "tokenizer.json");
    refused(Tokenizer::from_json(b"[[[[", None), "tokenizer.json");
    refused(Tokenizer::from_json("[".repeat(100_000).as_bytes(), None), "tokenizer.json");
    refused(change("/model/type", json!("Unigram")), "type `Unigram`; supported: BPE");
    refused(change("/model/vocab", json!({})), "no tokens");
    refused(change("/model/vocab/a", json!(u32::MAX)), "4294967295");
    refused(change("/model/vocab/a", json!(-1)), "tokenizer.json");
    refused(change("/model/vocab/a", json!(5)), "two tokens have the id 5");
    refused(change("/model/merges", json!([["a", "zzzzz"]])), "zzzzz");
    refused(change("/model/merges", json!([["a", "b".repeat(5000)]])), "makes no token");
    refused(change("/model/merges", json!(["ab"])), "no two parts");
    refused(change("/model/continuing_subword_prefix", json!("é")), "makes no token");
    refused(change("/decoder", Value::Null), "decoder");
    refused(change("/normalizer", json!({"type": "Nmt"})), "unknown variant `Nmt`");
    let template = json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}],
        "special_tokens": {"x": {"id": "x", "ids": [600], "tokens": ["x"]}}});
    refused(change("/post_processor", template), "special token 600 is beyond the 600 tokens");
    let config = |text: &str| Tokenizer::from_json(small("llama3").to_string().as_bytes(), Some(text.as_bytes()));
    refused(config("{"), "tokenizer_config.json");
    refused(config(r#"{"chat_template": 3}"#), "chat_template");
    assert!(settle(config(r#"{"bos_token": "no such", "eos_token": [], "add_bos_token": 1, "chat_template": [{}]}"#)));
}

#[test]
fn damaged_keys_are_refused_with_a_reason() {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<String>>();
    let bytes = |tokens: &[&str], merges: &[&str]| GgufDescription {
        model: "gpt2".into(),
        tokens: texts(tokens),
        merges: texts(merges),
        ..GgufDescription::default()
    };
    let build = |keys: &GgufDescription| Tokenizer::from_gguf(keys);
    refused(build(&GgufDescription::default()), "0 tokens");
    refused(build(&GgufDescription { model: "t5".into(), ..bytes(&["a"], &[]) }), "`t5`");
    refused(build(&GgufDescription { pre: Some("x".repeat(900)), ..bytes(&["a"], &[]) }), "xxx...`");
    refused(build(&bytes(&["a", "b", "a"], &[])), "tokens 0 and 2 are the same");
    refused(build(&bytes(&["a", "b"], &["a b"])), "makes no token");
    refused(build(&bytes(&["a", "ab"], &["a b"])), "`b` out of vocabulary");
    refused(build(&bytes(&["a", "ab"], &["ab"])), "has no two parts");
    refused(build(&bytes(&["a", "ab"], &[""])), "has no two parts");
    let pieces = GgufDescription { model: "llama".into(), ..bytes(&["a", "b"], &[]) };
    refused(build(&pieces), "0 scores for 2 tokens");
    refused(build(&GgufDescription { scores: vec![0.0, f32::INFINITY], ..pieces.clone() }), "score of token 1 is inf");
    // What llama.cpp puts up with is put up with here.
    let odd = GgufDescription {
        bos: Some(9),
        eos: Some(u32::MAX),
        unknown: Some(7),
        add_bos: Some(true),
        add_eos: Some(true),
        token_types: vec![3; 50],
        ..bytes(&["a", "", "b", ""], &[])
    };
    let tokenizer = build(&odd).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (None, None));
    assert_eq!(tokenizer.token_text(3), "[EMPTY_3]");
    assert_eq!(tokenizer.encode("aba", Special::Default).unwrap(), [0, 2, 0]);
    exercise(&tokenizer);
}

#[test]
fn merges_that_go_round_in_circles_end() {
    let keys = GgufDescription {
        model: "gpt2".into(),
        tokens: ["a", "b", "ab", "ba", "aba", "bab", "abab"].map(Into::into).into(),
        merges: ["ab a", "b a", "a b", "a ba", "ab ab", "ba b", "aba b", "a bab", "a b"].map(Into::into).into(),
        ..GgufDescription::default()
    };
    let tokenizer = Tokenizer::from_gguf(&keys).unwrap();
    let text = "ab".repeat(5000);
    let ids = tokenizer.encode(&text, Special::None).unwrap();
    assert_eq!(tokenizer.decode(&ids), text);
}

#[test]
fn one_long_word_takes_no_quadratic_time() {
    for tokenizer in [read(&small("llama3")).unwrap(), read(&small("llama2")).unwrap()] {
        for text in ["a".repeat(300_000), " ".repeat(300_000) + "a", "\n \n".repeat(100_000), "é".repeat(100_000)] {
            let ids = tokenizer.encode(&text, Special::None).unwrap();
            assert_eq!(tokenizer.decode(&ids).len(), text.len());
        }
    }
}

/// A xorshift generator.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % n.max(1)
    }
}

/// Something else to put in a place.
fn other(dice: &mut Dice) -> Value {
    let split = |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "MergedWithNext", "invert": true});
    let replace = |regex: &str, to: &str| json!({"type": "Replace", "pattern": {"Regex": regex}, "content": to});
    let all = [
        json!(null),
        json!(0),
        json!(-1),
        json!(4_294_967_295_u64),
        json!(1e300),
        json!(true),
        json!(""),
        json!("a"),
        json!("▁"),
        json!("é"),
        json!("Sequence"),
        json!("Contiguous"),
        json!([]),
        json!({}),
        json!({"String": "l"}),
        json!({"Regex": "(a|aa)+$"}),
        json!({"Regex": "(?=a)"}),
        json!({"type": "NFKC"}),
        json!({"type": "Lowercase"}),
        json!({"type": "StripAccents"}),
        json!({"type": "Strip", "strip_left": true, "strip_right": false}),
        json!({"type": "Prepend", "prepend": "é▁"}),
        replace("l+|\\s", "ab"),
        replace("|b", "ab"),
        replace("[^a]", ""),
        split("a*?"),
        split("\\b"),
        split("(?<!a)l|$"),
        json!({"type": "Digits"}),
        json!({"type": "Punctuation"}),
        json!({"type": "Metaspace", "replacement": "l", "prepend_scheme": "first"}),
        json!({"type": "ByteLevel", "add_prefix_space": true}),
        json!({"type": "WhitespaceSplit"}),
    ];
    all[dice.roll(all.len())].clone()
}

/// Changes one place of a value.
fn damage(value: &mut Value, dice: &mut Dice) {
    let deeper = dice.roll(4) != 0;
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let key = fields.keys().nth(dice.roll(fields.len())).unwrap().clone();
            match dice.roll(12) {
                0 => drop(fields.remove(&key)),
                _ => damage(fields.get_mut(&key).unwrap(), dice),
            }
        }
        Value::Array(elements) if deeper && !elements.is_empty() => {
            let (at, to) = (dice.roll(elements.len()), dice.roll(elements.len()));
            match dice.roll(12) {
                0 => drop(elements.remove(at)),
                1 => elements.insert(to, elements[at].clone()),
                2 => elements.swap(at, to),
                _ => damage(&mut elements[at], dice),
            }
        }
        Value::String(text) if deeper => text.push('é'),
        _ => *value = other(dice),
    }
}

#[test]
fn a_thousand_damaged_files() {
    let mut dice = Dice(2026);
    let files: Vec<Value> = ["llama3", "qwen2", "llama2"].map(small).into();
    let mut built = 0;
    for round in 0..1500 {
        let mut file = files[round % files.len()].clone();
        let part = ["normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens", "model"][dice.roll(6)];
        match dice.roll(3) {
            0 => file[part] = other(&mut dice),
            _ => damage(&mut file[part], &mut dice),
        }
        let mut bytes = file.to_string().into_bytes();
        match dice.roll(8) {
            0 => bytes.truncate(dice.roll(bytes.len())),
            1 => {
                let at = dice.roll(bytes.len());
                bytes[at] = dice.roll(256) as u8;
            }
            _ => {}
        }
        built += usize::from(settle(Tokenizer::from_json(&bytes, Some(br#"{"bos_token": "<s>"}"#))));
    }
    assert!(built > 150, "only {built} of these files could still be used: the test would see little");
}
