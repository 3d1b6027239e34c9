//! Safetensors files: `length:u64`, that many bytes of JSON, then the data.
//!
//! The JSON is an object of `name: {"dtype", "shape", "data_offsets": [from, to]}`, offsets counting from the start of
//! the data, and perhaps `"__metadata__"`, an object of texts. The file is taken to be hostile: a name that occurs
//! twice, a range that is not what shape and encoding need, a byte that belongs to two tensors or to none are errors.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use engine::Stored;
use kernels::{Bytes, DType};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::extent::{bytes_of, no_overlap};
use crate::{Error, Place, Result};

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// The key that is no tensor.
pub(crate) const METADATA: &str = "__metadata__";

/// A file's tensors, by name, and its free texts.
#[derive(Debug, Default)]
pub struct Safetensors {
    /// The tensors.
    pub tensors: BTreeMap<String, Stored>,
    /// What the writer had to say.
    pub metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Row {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The JSON object, in its own order and with every key that occurs.
#[derive(Default)]
struct Header {
    rows: Vec<(String, Row)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        header.metadata = map.next_value()?;
                    } else {
                        let row = map.next_value().map_err(|e| A::Error::custom(format!("tensor `{name}`: {e}")))?;
                        header.rows.push((name, row));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Safetensors {
    /// Reads the header of a file. `path` is for messages only.
    pub fn parse(bytes: &Bytes, path: &Path) -> Result<Self> {
        let file = bytes.as_slice();
        let damaged = |why: String| Error::damaged(path, why);
        let length = file.first_chunk().map(|b| u64::from_le_bytes(*b));
        let length = length.ok_or_else(|| damaged(format!("it has {} bytes, fewer than any such file", file.len())))?;
        if length > LONGEST_HEADER {
            return Err(damaged(format!("its header would be {length} bytes long; it may not be a safetensors file")));
        }
        let start = 8 + length as usize;
        let header =
            file.get(8..start).ok_or_else(|| damaged(format!("it ends inside its header of {length} bytes")))?;
        let header: Header = serde_json::from_slice(header)
            .map_err(|e| damaged(format!("its header is not right: {}", crate::error::shortened(&e.to_string()))))?;
        let mut tensors = BTreeMap::new();
        let mut extents = Vec::new();
        for (name, row) in header.rows {
            let place = || Place::new(path, format!("tensor `{name}`"));
            let dtype = DType::from_safetensors(&row.dtype).ok_or_else(|| Error::Unsupported {
                place: place(),
                what: format!("its encoding, {}, is not one that is read here", crate::error::shortened(&row.dtype)),
                remedy: "Get or save the model as F32, F16 or BF16",
            })?;
            let damaged = |why: String| Error::damaged(place(), why);
            let (shape, len) = bytes_of(dtype, &row.shape).map_err(damaged)?;
            let [from, to] = row.data_offsets;
            if to.checked_sub(from) != Some(len as u64) {
                return Err(damaged(format!(
                    "shape {shape:?} as {} takes {len} bytes, its offsets are {from} to {to}",
                    dtype.name()
                )));
            }
            if to > (file.len() - start) as u64 {
                let missing = to - (file.len() - start) as u64;
                return Err(damaged(format!("the file ends {missing} bytes before this tensor does")));
            }
            let range = start + from as usize..start + to as usize;
            extents.push((range.clone(), name.clone()));
            let stored = Stored { dtype, shape, bytes: bytes.slice(range).expect("just checked against the end") };
            if tensors.insert(name.clone(), stored).is_some() {
                return Err(damaged("it occurs twice".into()));
            }
        }
        let used: usize = extents.iter().map(|(range, _)| range.len()).sum();
        no_overlap(extents).map_err(damaged)?;
        if used != file.len() - start {
            return Err(damaged(format!("{} bytes of it belong to no tensor", file.len() - start - used)));
        }
        Ok(Self { tensors, metadata: header.metadata })
    }
}

#[cfg(test)]
mod tests;
