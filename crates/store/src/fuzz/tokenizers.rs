//! Tokenizers: one is built as the bytes say, and used if it can be.

use engine::tokenizer::{Description, GgufDescription, JsonDescription, Message, Special, Tokenizer};

/// Texts that reach most branches.
const TEXTS: &[&str] = &["", " ", "Hello, world! 123 it's", "  \n\t\u{1F600}e\u{301} \u{4E16}\u{754C}<s></s>a1\u{0}"];

fn exercise(tokenizer: &Tokenizer) {
    for text in TEXTS {
        for special in [Special::Default, Special::None, Special::Bos] {
            if let Ok(ids) = tokenizer.encode(text, special) {
                let whole = tokenizer.decode(&ids);
                let mut stream = tokenizer.stream();
                let mut pieces: String = ids.iter().map(|&id| stream.push(id)).collect();
                pieces.push_str(&stream.finish());
                assert_eq!(pieces, whole, "a text decoded in pieces and at once");
            }
        }
        tokenizer.id_of(text);
    }
    for id in (0..16).chain([tokenizer.vocab_size() as u32, u32::MAX]) {
        tokenizer.token_text(id);
    }
    let turn = |role: &str| Message { role: role.into(), content: "hi".into() };
    for reply in [true, false] {
        let _ = tokenizer.apply_chat(&[turn("system"), turn("user")], reply);
    }
}

/// A `tokenizer.json`, and after a NUL perhaps a `tokenizer_config.json`.
pub(super) fn json(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&b| b == 0).map(<[u8]>::to_vec);
    let files =
        JsonDescription { tokenizer: parts.next().unwrap_or_default(), config: parts.next(), chat_template: None };
    if let Ok(tokenizer) = Tokenizer::new(&Description::Json(files)) {
        exercise(&tokenizer);
    }
}

/// The keys of a GGUF file: two bytes of choices, then texts, one a line: tokens and, after an empty line, merges, or a
/// chat template if there is one among them.
pub(super) fn gguf(bytes: &[u8]) {
    const WAYS: [&str; 7] = ["smollm", "llama-bpe", "qwen2", "gpt-2", "default", "tekken", "other"];
    let [choice, ids, rest @ ..] = bytes else { return };
    let text = String::from_utf8_lossy(rest);
    let (tokens, merges) = text.split_once("\n\n").unwrap_or((&text, ""));
    let flag = |bit: u8| (choice >> bit & 1 == 1).then_some(choice >> (bit - 1) & 1 == 1);
    let tokens: Vec<String> = tokens.split('\n').map(Into::into).collect();
    let keys = GgufDescription {
        model: if choice & 1 == 0 { "gpt2".into() } else { "llama".into() },
        pre: WAYS.get(usize::from(choice >> 1 & 7)).map(|&way| way.into()),
        token_types: tokens.iter().map(|token| (token.len() % 7) as i32).collect(),
        scores: tokens.iter().map(|token| token.len() as f32 - f32::from(*ids)).collect(),
        tokens,
        merges: merges.lines().map(Into::into).collect(),
        bos: Some(u32::from(ids & 15)),
        eos: Some(u32::from(ids >> 4)),
        unknown: Some(u32::from(ids & 3)),
        add_bos: flag(5),
        add_eos: flag(6),
        add_space_prefix: flag(7),
        chat_template: merges.contains("{%").then(|| merges.into()),
    };
    if let Ok(tokenizer) = Tokenizer::new(&Description::Gguf(Box::new(keys))) {
        exercise(&tokenizer);
    }
}
