//! Writing safetensors files piece by piece.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::artifact::WholeFile;
use crate::safetensors::METADATA;
use crate::{Error, Result};

/// What the elements of a written tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// Signed whole numbers of 64 bits.
    I64,
}

impl Element {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::I64 => "I64",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I64 => 8,
        }
    }
}

/// Announces a tensor.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its name.
    pub name: String,
    /// Its elements.
    pub element: Element,
    /// Its shape, outermost first.
    pub shape: Vec<usize>,
}

/// A safetensors file on its way. All tensors are announced first; their values may then come in pieces and in any
/// order among tensors, each tensor's own from first to last. Nothing is held in memory.
#[derive(Debug)]
pub struct Captures {
    file: WholeFile,
    tensors: BTreeMap<String, Span>,
}

/// A tensor's bytes in the file.
#[derive(Debug)]
struct Span {
    element: Element,
    next: u64,
    end: u64,
}

impl Captures {
    /// Starts a file with these tensors and free texts.
    pub fn create(path: &Path, announced: &[Announced], metadata: &BTreeMap<String, String>) -> Result<Self> {
        let mut header = Map::new();
        if !metadata.is_empty() {
            header.insert(METADATA.into(), json!(metadata));
        }
        // The wider elements first, so that all are aligned.
        let mut order: Vec<&Announced> = announced.iter().collect();
        order.sort_by_key(|a| std::cmp::Reverse(a.element.bytes()));
        let mut spans = BTreeMap::new();
        let mut at = 0_u64;
        for Announced { name, element, shape } in order {
            let len = shape.iter().map(|&n| n as u64).product::<u64>() * element.bytes();
            let value = json!({ "dtype": element.name(), "shape": shape, "data_offsets": [at, at + len] });
            let span = Span { element: *element, next: at, end: at + len };
            if name == METADATA || spans.insert(name.clone(), span).is_some() {
                return Err(Error::Unfinished { path: path.into(), why: format!("`{name}` was announced twice") });
            }
            header.insert(name.clone(), value);
            at += len;
        }
        let mut json = Value::Object(header).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let start = 8 + json.len() as u64;
        for span in spans.values_mut() {
            span.next += start;
            span.end += start;
        }
        let mut file = WholeFile::create(path)?;
        file.write(&(json.len() as u64).to_le_bytes())?;
        file.write(&json)?;
        Ok(Self { file, tensors: spans })
    }

    /// The next values of a tensor of floats.
    pub fn write_f32(&mut self, name: &str, values: &[f32]) -> Result<()> {
        self.write(name, Element::F32, values.iter().flat_map(|x| x.to_le_bytes()), values.len())
    }

    /// The next values of a tensor of 16-bit floats, by their bits.
    pub fn write_f16(&mut self, name: &str, bits: &[u16]) -> Result<()> {
        self.write(name, Element::F16, bits.iter().flat_map(|x| x.to_le_bytes()), bits.len())
    }

    /// The next values of a tensor of whole numbers.
    pub fn write_i64(&mut self, name: &str, values: &[i64]) -> Result<()> {
        self.write(name, Element::I64, values.iter().flat_map(|x| x.to_le_bytes()), values.len())
    }

    fn write(&mut self, name: &str, element: Element, bytes: impl Iterator<Item = u8>, count: usize) -> Result<()> {
        const PIECE: usize = 1 << 18;
        let path = self.file.path().to_path_buf();
        let unfinished = |why: String| Err(Error::Unfinished { path: path.clone(), why });
        let Some(span) = self.tensors.get_mut(name).filter(|span| span.element == element) else {
            return unfinished(format!("`{name}` was not announced as {}", element.name()));
        };
        let end = span.next + count as u64 * element.bytes();
        if end > span.end {
            return unfinished(format!("`{name}` gets more values than were announced"));
        }
        let failed = |cause| Error::io(&path, "write", cause);
        let file = self.file.file();
        file.seek(SeekFrom::Start(span.next)).map_err(failed)?;
        let mut bytes = bytes;
        let mut piece = Vec::with_capacity(PIECE.min(count * element.bytes() as usize));
        loop {
            piece.clear();
            piece.extend(bytes.by_ref().take(PIECE));
            if piece.is_empty() {
                break;
            }
            file.write_all(&piece).map_err(failed)?;
        }
        span.next = end;
        Ok(())
    }

    /// Puts the file in its place; an error if a tensor has not got all its values.
    pub fn finish(self) -> Result<()> {
        if let Some((name, _)) = self.tensors.iter().find(|(_, span)| span.next != span.end) {
            let why = format!("`{name}` has not got all its values");
            return Err(Error::Unfinished { path: self.file.path().into(), why });
        }
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::map;
    use crate::safetensors::Safetensors;

    fn announced(name: &str, element: Element, shape: &[usize]) -> Announced {
        Announced { name: name.into(), element, shape: shape.into() }
    }

    #[test]
    fn what_is_written_in_pieces_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let tensors = [
            announced("resid", Element::F32, &[2, 3]),
            announced("tokens", Element::I64, &[2]),
            announced("none", Element::F32, &[0, 3]),
        ];
        let about = BTreeMap::from([("model".to_owned(), "x".to_owned())]);
        let mut file = Captures::create(&path, &tensors, &about).unwrap();
        file.write_f32("resid", &[1.0, 2.0]).unwrap();
        file.write_i64("tokens", &[7, -8]).unwrap();
        file.write_f32("resid", &[f32::NAN, 4.0, 5.0, 6.0]).unwrap();
        file.finish().unwrap();
        let read = Safetensors::parse(&map(&path).unwrap(), &path).unwrap();
        assert_eq!(read.metadata, about);
        assert_eq!(read.tensors["tokens"].bytes.as_slice(), [7_i64, -8].map(i64::to_le_bytes).concat());
        assert_eq!(read.tensors["none"].shape, [0, 3]);
        let resid = &read.tensors["resid"];
        assert_eq!(resid.shape, [2, 3]);
        assert_eq!(resid.bytes.as_slice(), [1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0].map(f32::to_le_bytes).concat());
        assert_eq!(resid.bytes.as_slice().as_ptr() as usize % 4, 0, "data are aligned");
    }

    #[test]
    fn large_tensors_cross_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let values: Vec<f32> = (0..200_000).map(|i| i as f32).collect();
        let mut file = Captures::create(&path, &[announced("x", Element::F32, &[200_000])], &BTreeMap::new()).unwrap();
        file.write_f32("x", &values[..70_001]).unwrap();
        file.write_f32("x", &values[70_001..]).unwrap();
        file.finish().unwrap();
        let read = Safetensors::parse(&map(&path).unwrap(), &path).unwrap();
        let expected: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(read.tensors["x"].bytes.as_slice() == expected);
    }

    #[test]
    fn values_must_fit_what_was_announced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let x = announced("x", Element::F32, &[2]);
        let mut file = Captures::create(&path, std::slice::from_ref(&x), &BTreeMap::new()).unwrap();
        assert!(file.write_i64("x", &[1]).is_err());
        assert!(file.write_f32("y", &[1.0]).is_err());
        assert!(file.write_f32("x", &[1.0; 3]).is_err());
        file.write_f32("x", &[1.0]).unwrap();
        assert!(file.finish().unwrap_err().to_string().contains("`x` has not got all its values"));
        assert!(!path.exists());
        assert!(Captures::create(&path, &[x.clone(), x], &BTreeMap::new()).is_err());
    }
}
