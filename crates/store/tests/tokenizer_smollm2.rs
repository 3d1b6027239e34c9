//! SmolLM2's tokenizer, out of its GGUF file, against Hugging Face's library on 10,240 texts. The files are explained in
//! `scripts/make_tokenizer_goldens.py`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use engine::tokenizer::{Message, Special, Tokenizer};

fn tokenizer() -> Option<Tokenizer> {
    support::smollm2().map(|path| store::open(&path).unwrap().tokenizer().unwrap().unwrap())
}

/// The 32-bit FNV-1a hash.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn ids_and_texts_are_hugging_faces() {
    let Some(tokenizer) = tokenizer() else { return };
    let golden = |name: &str| fs::read(support::root().join("tests/golden/tokenizer").join(name)).unwrap();
    let texts = String::from_utf8(golden("lines.txt")).unwrap();
    let expected: Vec<u32> =
        golden("smollm2.hashes").chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    let some: Vec<Vec<u32>> = serde_json::from_slice(&golden("smollm2.ids.json")).unwrap();
    let texts: Vec<String> = texts.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(texts.len() >= 10_000 && expected.len() == 2 * texts.len());
    for (i, (text, expected)) in texts.iter().zip(expected.chunks(2)).enumerate() {
        let ids = tokenizer.encode(text, Special::Default).unwrap();
        if i % 50 == 0 {
            assert_eq!(ids, some[i / 50], "text {i}, {text:?}");
        }
        assert_eq!(fnv(ids.iter().flat_map(|id| id.to_le_bytes())), expected[0], "text {i}, {text:?}, is {ids:?} here");
        let again = tokenizer.decode(&ids);
        assert_eq!(fnv(again.bytes()), expected[1], "text {i}, {text:?}, is {again:?} again here");
    }
}

#[test]
fn the_file_says_what_tokens_are_for() {
    let Some(tokenizer) = tokenizer() else { return };
    assert_eq!(tokenizer.vocab_size(), 49_152);
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.ends()), (Some(1), Some(2), [0, 2].as_slice()));
    let prompt = tokenizer.encode("The capital of France is", Special::Default).unwrap();
    assert_eq!(prompt, [504, 3575, 282, 4649, 314], "no special tokens by default");
    assert_eq!(tokenizer.id_of(" Paris").map(|id| tokenizer.token_text(id)).as_deref(), Some(" Paris"));
    let say = [Message { role: "user".into(), content: "Hi".into() }];
    let expected = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
                    <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    let chat = tokenizer.apply_chat(&say, true).unwrap();
    assert_eq!(chat, expected);
    let ids = tokenizer.encode(&chat, Special::None).unwrap();
    assert_eq!(ids.iter().filter(|&&id| tokenizer.is_special(id)).count(), 5);
}
