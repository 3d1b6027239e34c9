//! Learning a tokenizer: byte-pair encoding over bytes (Sennrich et al. 2016; over bytes as in GPT-2).

use engine::tokenizer::Tokenizer;
use serde_json::json;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Learner};

use crate::{Error, Result};

/// The token between documents, and the only special one. Its id is 0.
pub const END: &str = "<|endoftext|>";

/// The smallest vocabulary: every byte, and the token between documents.
pub const LEAST: usize = 257;

/// A tokenizer as files hold it.
#[derive(Clone, Debug)]
pub struct Files {
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`.
    pub config: Vec<u8>,
}

/// Learns a vocabulary of `size` tokens: [`END`], all bytes, and the pairs that merging the most frequent one again
/// and again yields, of equally frequent ones the one with the smaller ids. Words are cut by GPT-2's pattern, and
/// merges stay inside words. The vocabulary is smaller only if the texts have no pair left that occurs twice.
pub fn learn(texts: &[String], size: usize) -> Result<Files> {
    let failed = |cause: tokenizers::Error| Error::Tokenizer(cause.to_string());
    if size < LEAST {
        return Err(Error::Recipe(format!(
            "a vocabulary of {size} tokens has no room for all bytes: give {LEAST} or more"
        )));
    }
    let mut learner = Learner::new(BPE::default());
    learner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    learner.with_decoder(Some(ByteLevel::new(false, true, true)));
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut trainer = TrainerWrapper::from(trainer);
    learner.train(&mut trainer, texts.iter().map(String::as_str)).map_err(failed)?;
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "clean_up_tokenization_spaces": false,
    });
    Ok(Files {
        tokenizer: learner.to_string(false).map_err(failed)?.into_bytes(),
        config: config.to_string().into_bytes(),
    })
}

impl Files {
    /// The tokenizer as the engine reads it from these files.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        Ok(Tokenizer::from_json(&self.tokenizer, Some(&self.config))?)
    }
}

/// The ids of documents one after another, with [`END`] before each and after the last.
pub fn encode(tokenizer: &Tokenizer, texts: &[String]) -> Result<Vec<u32>> {
    let end = tokenizer.eos().ok_or_else(|| Error::Tokenizer(format!("it has no token {END}")))?;
    let mut ids = vec![end];
    for text in texts {
        ids.extend(tokenizer.encode(text, engine::tokenizer::Special::None)?);
        ids.push(end);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<String> {
        let words = ["the", "cat", "sat", "on", "the", "mat", "naïve", "12", "cats", "'ll", "🙂"];
        (0..50).map(|i| (0..40).map(|j| words[(i * 7 + j * j) % words.len()]).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn what_is_read_back_gives_the_ids_of_what_was_learnt() {
        let files = learn(&texts(), 280).unwrap();
        let learnt = Learner::from_bytes(&files.tokenizer).unwrap();
        let read = files.tokenizer().unwrap();
        assert_eq!(read.vocab_size(), 280);
        for text in [&*texts().concat(), "the cat\tsat\n\n on  the mats é\u{0}\u{fffd} 🙂x", "", " ", "unseen Wörter"]
        {
            let ids = read.encode(text, engine::tokenizer::Special::Default).unwrap();
            assert_eq!(ids, learnt.encode_fast(text, false).unwrap().get_ids(), "{text:?}");
            assert_eq!(read.decode(&ids), text);
        }
        assert_eq!((read.bos(), read.eos(), read.id_of(END)), (Some(0), Some(0), Some(0)));
        assert!(read.encode("the", engine::tokenizer::Special::None).unwrap().len() == 1, "it learnt a frequent word");
    }

    #[test]
    fn the_same_texts_give_the_same_bytes() {
        let files = learn(&texts(), 280).unwrap();
        for _ in 0..3 {
            assert!(learn(&texts(), 280).unwrap().tokenizer == files.tokenizer);
        }
    }

    #[test]
    fn sizes_have_limits() {
        assert!(learn(&texts(), 256).unwrap_err().to_string().contains("257"));
        let smallest = learn(&texts(), LEAST).unwrap().tokenizer().unwrap();
        assert_eq!(smallest.encode("cat", engine::tokenizer::Special::None).unwrap().len(), 3);
        let exhausted = learn(&["ab ab".to_owned()], 5000).unwrap().tokenizer().unwrap();
        assert!(exhausted.vocab_size() < 265, "{}", exhausted.vocab_size());
    }

    #[test]
    fn documents_are_kept_apart() {
        let tokenizer = learn(&texts(), LEAST).unwrap().tokenizer().unwrap();
        let ids = encode(&tokenizer, &["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!(tokenizer.decode(&ids), format!("{END}a{END}b{END}"));
    }
}
