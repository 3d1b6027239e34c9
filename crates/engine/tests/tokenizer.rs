//! Tokenizers against Hugging Face's library on 10,240 texts each: ids and decoded text, from `tokenizer.json` and from
//! the keys of a GGUF file. `scripts/make_tokenizer_goldens.py` says what the files are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use engine::tokenizer::{GgufDescription, Message, Special, Tokenizer};
use serde_json::Value;

fn golden(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tokenizer"));
    fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&golden(name)).unwrap()
}

fn texts() -> Vec<String> {
    let lines = String::from_utf8(golden("lines.txt")).unwrap();
    lines.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The 32-bit FNV-1a hash.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn hash_ids(ids: &[u32]) -> u32 {
    fnv(ids.iter().flat_map(|id| id.to_le_bytes()))
}

fn hashes(name: &str) -> Vec<u32> {
    golden(name).chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Holds a tokenizer against all that is known about one.
fn check(name: &str, tokenizer: &Tokenizer) {
    let (texts, expected) = (texts(), hashes(&format!("{name}.hashes")));
    let some: Vec<Vec<u32>> = serde_json::from_value(json(&format!("{name}.ids.json"))).unwrap();
    assert!(texts.len() >= 10_000 && expected.len() == 2 * texts.len() && some.len() == texts.len().div_ceil(50));
    for (i, text) in texts.iter().enumerate() {
        let ids = tokenizer.encode(text, Special::Default).unwrap();
        if i % 50 == 0 {
            assert_eq!(ids, some[i / 50], "{name}: text {i}, {text:?}");
        }
        let found = (hash_ids(&ids), fnv(tokenizer.decode(&ids).bytes()));
        assert_eq!(found.0, expected[2 * i], "{name}: text {i}, {text:?}, is {ids:?} here");
        assert_eq!(
            found.1,
            expected[2 * i + 1],
            "{name}: text {i}, {text:?}, is {:?} again here",
            tokenizer.decode(&ids)
        );
    }
}

fn from_json(name: &str) -> Tokenizer {
    let file = |which: &str| golden(&format!("{name}/{which}.json"));
    Tokenizer::from_json(&file("tokenizer"), Some(&file("tokenizer_config"))).unwrap()
}

/// The keys that a GGUF file of the same tokenizer would have.
fn keys(name: &str, model: &str, pre: Option<&str>) -> GgufDescription {
    let file = json(&format!("{name}/tokenizer.json"));
    let (model_json, added) = (&file["model"], file["added_tokens"].as_array().unwrap());
    let vocab =
        model_json["vocab"].as_object().unwrap().iter().map(|(token, id)| (id.as_u64().unwrap(), token.clone()));
    let more = added.iter().map(|token| (token["id"].as_u64().unwrap(), token["content"].as_str().unwrap().to_owned()));
    let mut tokens: Vec<(u64, String)> = vocab.chain(more).collect();
    tokens.sort();
    tokens.dedup();
    let tokens: Vec<String> = tokens.into_iter().map(|(_, token)| token).collect();
    let mut token_types = vec![1; tokens.len()];
    for token in added {
        let kind = if token["special"].as_bool().unwrap() { 3 } else { 4 };
        token_types[token["id"].as_u64().unwrap() as usize] = kind;
    }
    let part = |merge: &Value, which: usize| merge[which].as_str().unwrap().to_owned();
    let merges = model_json["merges"].as_array().unwrap().iter();
    GgufDescription {
        model: model.into(),
        pre: pre.map(Into::into),
        tokens,
        token_types,
        merges: merges.map(|merge| format!("{} {}", part(merge, 0), part(merge, 1))).collect(),
        ..GgufDescription::default()
    }
}

fn llama3_keys() -> GgufDescription {
    GgufDescription { bos: Some(597), eos: Some(598), ..keys("llama3", "gpt2", Some("llama-bpe")) }
}

fn qwen2_keys() -> GgufDescription {
    GgufDescription { eos: Some(598), ..keys("qwen2", "gpt2", Some("qwen2")) }
}

/// As such files are: with scores instead of merges.
fn llama2_keys() -> GgufDescription {
    let mut keys = GgufDescription { bos: Some(1), eos: Some(2), unknown: Some(0), ..keys("llama2", "llama", None) };
    keys.merges.clear();
    keys.scores = (0..keys.tokens.len()).map(|id| -(id.saturating_sub(258) as f32)).collect();
    keys.token_types[0] = 2;
    keys.token_types[3..259].fill(6);
    keys
}

fn from_keys(keys: &GgufDescription) -> Tokenizer {
    Tokenizer::from_gguf(keys).unwrap()
}

#[test]
fn llama3_of_json() {
    check("llama3", &from_json("llama3"));
}

#[test]
fn llama3_of_gguf() {
    check("llama3", &from_keys(&llama3_keys()));
}

#[test]
fn qwen2_of_json() {
    check("qwen2", &from_json("qwen2"));
}

#[test]
fn qwen2_of_gguf() {
    check("qwen2", &from_keys(&qwen2_keys()));
}

#[test]
fn llama2_of_json() {
    check("llama2", &from_json("llama2"));
}

#[test]
fn llama2_of_gguf_with_scores() {
    check("llama2", &from_keys(&llama2_keys()));
}

#[test]
fn llama2_of_gguf_with_merges() {
    let scored = llama2_keys();
    check("llama2", &from_keys(&GgufDescription { merges: keys("llama2", "llama", None).merges, ..scored }));
}

#[test]
fn ways_of_cutting_text() {
    let about = json("presplit.json");
    let (count, names) = (about["lines"].as_u64().unwrap() as usize, about["names"].as_array().unwrap());
    let (texts, expected) = (texts(), hashes("presplit.hashes"));
    assert_eq!(expected.len(), count * names.len());
    for (name, expected) in names.iter().map(|name| name.as_str().unwrap()).zip(expected.chunks(count)) {
        let mut keys = keys("llama3", "gpt2", Some(name));
        keys.token_types.clear();
        let tokenizer = from_keys(&keys);
        for (text, &expected) in texts.iter().zip(expected) {
            let ids = tokenizer.encode(text, Special::None).unwrap();
            assert_eq!(hash_ids(&ids), expected, "{name}: {text:?} is {ids:?} here");
        }
    }
}

#[test]
fn special_tokens_are_added_as_asked() {
    let (llama3, qwen2, llama2) = (from_json("llama3"), from_json("qwen2"), from_json("llama2"));
    let check = |tokenizer: &Tokenizer, bos: Option<u32>| {
        let plain = tokenizer.encode("Hello", Special::None).unwrap();
        let with_bos = |bos: u32| [&[bos], plain.as_slice()].concat();
        let default = tokenizer.encode("Hello", Special::Default).unwrap();
        assert_eq!(default, bos.map_or(plain.clone(), with_bos));
        assert_eq!(tokenizer.encode("Hello", Special::Bos).ok(), bos.map(with_bos));
    };
    check(&llama3, Some(597));
    check(&qwen2, None);
    check(&llama2, Some(1));
    for (add_bos, add_eos) in [(None, None), (Some(false), None), (Some(true), Some(true)), (Some(false), Some(true))] {
        let tokenizer = from_keys(&GgufDescription { add_bos, add_eos, ..llama3_keys() });
        let ids = tokenizer.encode("Hello", Special::Default).unwrap();
        assert_eq!(ids.first() == Some(&597), add_bos != Some(false));
        assert_eq!(ids.last() == Some(&598), add_eos == Some(true));
    }
}

#[test]
fn tokens_have_roles() {
    let check = |tokenizer: &Tokenizer, bos: Option<u32>, eos: u32, ends: &[u32]| {
        assert_eq!(tokenizer.vocab_size(), 600);
        assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.ends()), (bos, Some(eos), ends));
        assert!(ends.iter().all(|&id| tokenizer.is_special(id)));
        assert!(!tokenizer.is_special(300) && !tokenizer.is_special(600));
    };
    check(&from_json("llama3"), Some(597), 598, &[598, 599]);
    check(&from_keys(&llama3_keys()), Some(597), 598, &[598, 599]);
    check(&from_json("qwen2"), None, 598, &[596, 598]);
    check(&from_keys(&qwen2_keys()), None, 598, &[596, 598]);
    check(&from_json("llama2"), Some(1), 2, &[2]);
    check(&from_keys(&llama2_keys()), Some(1), 2, &[2]);
    assert!(!from_json("qwen2").is_special(599), "<tool_call> is an added token, not a special one");
}

#[test]
fn a_token_is_found_by_what_it_looks_like() {
    for tokenizer in [from_json("llama3"), from_json("qwen2"), from_json("llama2"), from_keys(&llama2_keys())] {
        for id in 0..tokenizer.vocab_size() as u32 {
            let text = tokenizer.token_text(id);
            let found = tokenizer.id_of(&text).unwrap_or_else(|| panic!("{id} looks like {text:?}, which is no token"));
            // In a vocabulary with bytes, a letter and its byte look the same.
            assert_eq!(tokenizer.token_text(found), text);
        }
        assert_eq!(tokenizer.token_text(600), "[600]");
        assert_eq!(tokenizer.id_of("certainly more than one token"), None);
        assert_eq!(tokenizer.id_of(""), None);
    }
    let llama3 = from_json("llama3");
    assert_eq!(llama3.id_of(" the"), llama3.encode(" the", Special::None).unwrap().first().copied());
    assert_ne!(llama3.id_of(" the"), llama3.id_of("the"));
    assert_eq!(llama3.token_text(llama3.id_of("\\xE4").unwrap()), "\\xE4");
    let llama2 = from_json("llama2");
    assert_eq!(
        (llama2.id_of("\n"), llama2.id_of("\\xE4"), llama2.id_of("<s>")),
        (Some(3 + 10), Some(3 + 0xE4), Some(1))
    );
}

#[test]
fn streaming_gives_what_decoding_gives() {
    for tokenizer in [from_json("llama3"), from_json("llama2")] {
        for text in texts().iter().step_by(7) {
            let ids = tokenizer.encode(text, Special::Default).unwrap();
            let mut stream = tokenizer.stream();
            let mut pieces: Vec<String> = ids.iter().map(|&id| stream.push(id)).collect();
            pieces.push(stream.finish());
            assert_eq!(pieces.concat(), tokenizer.decode(&ids));
            // Characters come whole: nothing is replaced that was not so in the text.
            assert!(
                pieces.iter().all(|p| !p.contains('\u{FFFD}')) || text.contains('\u{FFFD}'),
                "{text:?}: {pieces:?}"
            );
        }
    }
    let tokenizer = from_json("llama3");
    let ids = tokenizer.encode("世", Special::None).unwrap();
    let mut stream = tokenizer.stream();
    assert_eq!(ids.iter().map(|&id| stream.push(id)).collect::<Vec<_>>().concat(), "世");
    let mut cut = tokenizer.stream();
    assert_eq!((cut.push(ids[0]).as_str(), cut.finish().as_str()), ("", "\u{FFFD}"));
}

#[test]
fn chats_are_written_as_transformers_writes_them() {
    let llama2 = golden("llama2/tokenizer.json");
    for case in json("chat.json").as_array().unwrap() {
        let config = serde_json::json!({
            "bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": case["template"],
        });
        let tokenizer = Tokenizer::from_json(&llama2, Some(config.to_string().as_bytes())).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let messages: Vec<Message> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| Message { role: text(&m["role"]), content: text(&m["content"]) })
            .collect();
        let written = tokenizer.apply_chat(&messages, case["reply"].as_bool().unwrap()).unwrap();
        assert_eq!(written, text(&case["text"]), "{}", case["name"]);
    }
}

#[test]
fn templates_come_from_either_source() {
    let say = [Message { role: "user".into(), content: "hi".into() }];
    assert!(
        from_json("qwen2")
            .apply_chat(&say, true)
            .unwrap()
            .ends_with("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
    );
    let mut keys = llama3_keys();
    let without = from_keys(&keys);
    assert!(!without.has_chat_template());
    assert!(without.apply_chat(&say, true).unwrap_err().to_string().contains("no chat template"));
    keys.chat_template = Some("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}".into());
    let with = from_keys(&keys);
    assert!(with.has_chat_template());
    assert_eq!(with.apply_chat(&say, true).unwrap(), "<|begin_of_text|>hi<|end_of_text|>");
}
