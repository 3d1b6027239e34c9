//! Texts to learn from, and texts kept aside.

use std::path::PathBuf;

use store::Text;

use crate::random::Random;
use crate::{Error, Result, Source};

/// Distinguishes the draw of held-out texts from other uses of a seed.
const SPLIT: u64 = 1;

/// Texts, each a document of its own.
#[derive(Clone, Debug)]
pub struct Corpus {
    documents: Vec<Text>,
    /// Documents left out because another says the same.
    pub duplicates: Vec<PathBuf>,
}

/// A corpus in two parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// What is learnt from.
    pub train: Vec<String>,
    /// What is kept aside: no part of tokenizer or network has seen it.
    pub held_out: Vec<String>,
    /// The files that the latter came from.
    pub held_out_names: Vec<String>,
}

impl Corpus {
    /// Reads text files, and folders of them. Empty ones, and those that say the same as an earlier one, are left out.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut documents: Vec<Text> = Vec::new();
        let mut duplicates = Vec::new();
        for path in paths {
            for text in store::read_texts(path)? {
                if text.text.trim().is_empty() {
                    continue;
                }
                if documents.iter().any(|known| known.text == text.text) {
                    duplicates.push(text.path);
                } else {
                    documents.push(text);
                }
            }
        }
        if documents.is_empty() {
            return Err(Error::Corpus("there is nothing in them; give files of text with --corpus".into()));
        }
        Ok(Self { documents, duplicates })
    }

    /// What each document is, for the record.
    pub fn sources(&self) -> Vec<Source> {
        let source = |text: &Text| Source {
            name: name(text),
            bytes: text.text.len() as u64,
            sha256: store::digest::of_bytes(text.text.as_bytes()),
        };
        self.documents.iter().map(source).collect()
    }

    /// Keeps documents aside, drawn at random until they are at least `share` of all bytes. At least one document is
    /// learnt from; of a single one, the end is kept aside, from the start of a line on where it has lines.
    pub fn split(self, share: f64, seed: u64) -> Result<Split> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::Recipe(format!("a share of {share} of the texts cannot be held out: give 0.01 to 0.5")));
        }
        let mut texts = self.documents;
        if let [only] = texts.as_slice() {
            let (train, held_out) = cut(&only.text, share);
            let text = |part: &str| vec![Text { path: only.path.clone(), text: part.to_owned() }];
            return Split::new(text(train), text(held_out));
        }
        Random::new(seed, SPLIT).shuffle(&mut texts);
        let wanted = share * texts.iter().map(|text| text.text.len()).sum::<usize>() as f64;
        let mut bytes = 0;
        let enough = texts.iter().take_while(|text| {
            let more = (bytes as f64) < wanted;
            bytes += text.text.len();
            more
        });
        let count = enough.count().min(texts.len() - 1);
        let train = texts.split_off(count);
        Split::new(train, texts)
    }
}

impl Split {
    fn new(train: Vec<Text>, held_out: Vec<Text>) -> Result<Self> {
        if train.iter().chain(&held_out).any(|text| text.text.is_empty()) {
            return Err(Error::Corpus("there is too little of them to keep a part aside".into()));
        }
        let held_out_names = held_out.iter().map(name).collect();
        let texts = |texts: Vec<Text>| texts.into_iter().map(|text| text.text).collect();
        Ok(Self { train: texts(train), held_out: texts(held_out), held_out_names })
    }
}

fn name(text: &Text) -> String {
    text.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A text in two, the second part about `share` of it.
fn cut(text: &str, share: f64) -> (&str, &str) {
    let from = (text.len() as f64 * (1.0 - share)) as usize;
    let line = text.bytes().skip(from).position(|byte| byte == b'\n').map(|at| from + at + 1);
    let at = line.filter(|&at| at < text.len() && !text[at..].trim().is_empty());
    text.split_at(at.unwrap_or_else(|| text.ceil_char_boundary(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(texts: &[&str]) -> Corpus {
        let text = |(i, text): (usize, &&str)| Text { path: format!("{i}.txt").into(), text: (*text).into() };
        Corpus { documents: texts.iter().enumerate().map(text).collect(), duplicates: vec![] }
    }

    #[test]
    fn documents_are_kept_aside_whole() {
        let texts: Vec<String> = (0..40).map(|i| format!("{i:0>100}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let split = |share, seed| corpus(&texts).split(share, seed).unwrap();
        let half = split(0.5, 7);
        assert_eq!((half.train.len(), half.held_out.len()), (20, 20));
        let named =
            |i: usize| format!("{}.txt", half.held_out[i].trim_start_matches('0').parse::<usize>().unwrap_or(0));
        assert!((0..20).all(|i| half.held_out_names[i] == named(i)));
        let mut all = [half.train.clone(), half.held_out.clone()].concat();
        all.sort();
        assert_eq!(all, texts);
        assert_eq!(split(0.5, 7).held_out, half.held_out);
        assert_ne!(split(0.5, 8).held_out, half.held_out);
        assert_eq!(split(0.001, 7).held_out.len(), 1);
        assert_eq!(split(0.999, 7).train.len(), 1);
        assert!(corpus(&texts).split(0.0, 7).is_err() && corpus(&texts).split(f64::NAN, 7).is_err());
    }

    #[test]
    fn a_single_document_is_cut_between_lines() {
        let text = "first line\nsecond line\nthird é line\nfourth";
        let split = corpus(&[text]).split(0.3, 0).unwrap();
        assert_eq!((split.train[0].as_str(), split.held_out[0].as_str()), (&text[..37], "fourth"));
        let split = corpus(&["éééééééééé"]).split(0.25, 0).unwrap();
        assert_eq!(split.train.concat() + &split.held_out.concat(), "éééééééééé");
        assert!(corpus(&["a"]).split(0.5, 0).is_err());
    }

    #[test]
    fn what_is_empty_or_said_twice_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("a.txt", "one"), ("b.txt", " \n"), ("c.txt", "one"), ("d.txt", "two")] {
            store::write_whole(&dir.path().join(name), text.as_bytes()).unwrap();
        }
        let read = Corpus::read(&[dir.path().into()]).unwrap();
        let names: Vec<String> = read.sources().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["a.txt", "d.txt"]);
        assert_eq!(read.duplicates, [dir.path().join("c.txt")]);
        let message = Corpus::read(&[dir.path().join("b.txt")]).unwrap_err().to_string();
        assert!(message.contains("nothing in them"), "{message}");
        assert!(Corpus::read(&[]).is_err());
    }
}
