//! Plain arrays out of files: a direction to add at a point, an input that is not text.

use std::path::{Path, PathBuf};

use engine::Stored;

use crate::error::similar;
use crate::map::map;
use crate::safetensors::Safetensors;
use crate::{Error, Result, npy};

/// An array of floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Lengths, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

impl From<Stored> for Array {
    fn from(stored: Stored) -> Self {
        let mut values = vec![0.0; stored.shape.iter().product()];
        kernels::quant::dequantize(stored.dtype, stored.bytes.as_slice(), &mut values);
        Self { shape: stored.shape, values }
    }
}

/// Reads the array that a reference names: `FILE.npy`, or `FILE.safetensors:NAME`, where the name may be left out if
/// the file holds only one.
pub fn read_array(reference: &str) -> Result<Array> {
    let (path, name) = split(reference)?;
    let bytes = map(&path)?;
    match name {
        None if is(&path, "npy") => npy::parse(&bytes, &path).map(Array::from),
        name => {
            let mut tensors = Safetensors::parse(&bytes, &path)?.tensors;
            let found = match (name, tensors.len()) {
                (Some(name), _) => tensors.remove(name),
                (None, 1) => tensors.pop_first().map(|(_, only)| only),
                (None, _) => None,
            };
            let name = name.unwrap_or_default();
            found.map(Array::from).ok_or_else(|| Error::NoSuchArray {
                candidates: similar(name, tensors.keys().map(String::as_str)),
                name: name.into(),
                path,
            })
        }
    }
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e == ending)
}

/// File and name of a reference.
fn split(reference: &str) -> Result<(PathBuf, Option<&str>)> {
    let whole = PathBuf::from(reference);
    if is(&whole, "npy") || is(&whole, "safetensors") {
        return Ok((whole, None));
    }
    match reference.rsplit_once(".safetensors:") {
        Some((file, name)) if !name.is_empty() => Ok((format!("{file}.safetensors").into(), Some(name))),
        _ => {
            let why = "an array is given as FILE.npy or FILE.safetensors:NAME".into();
            Err(Error::Reference { asked: reference.into(), why })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::captures::{Announced, Captures, Element};

    #[test]
    fn by_name_or_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, names: &[&str]| {
            let path = dir.path().join(file);
            let announced: Vec<_> =
                names.iter().map(|n| Announced { name: (*n).into(), element: Element::F32, shape: vec![2] }).collect();
            let mut captures = Captures::create(&path, &announced, &BTreeMap::new()).unwrap();
            for (i, name) in names.iter().enumerate() {
                captures.write_f32(name, &[i as f32, 0.5]).unwrap();
            }
            captures.finish().unwrap();
            path.to_str().unwrap().to_owned()
        };
        let one = write("one.safetensors", &["dir"]);
        let two = write("two.safetensors", &["left", "a:b"]);
        assert_eq!(read_array(&one).unwrap(), Array { shape: vec![2], values: vec![0.0, 0.5] });
        assert_eq!(read_array(&format!("{two}:a:b")).unwrap().values, [1.0, 0.5]);
        assert_eq!(
            read_array(&format!("{two}:lefd")).unwrap_err().to_string(),
            format!("{two}: no array `lefd` in it; there is left, a:b")
        );
        assert!(matches!(read_array(&two), Err(Error::NoSuchArray { .. })));
        assert!(matches!(read_array("x.txt"), Err(Error::Reference { .. })));
    }
}
