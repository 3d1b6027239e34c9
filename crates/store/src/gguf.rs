//! GGUF files, versions 2 and 3.
//!
//! ```text
//! "GGUF"  version:u32  tensors:u64  keys:u64
//! each key:     name:text  type:u32  value
//! each tensor:  name:text  n:u32  lengths:[u64; n] (innermost first)  encoding:u32  offset:u64
//! padding to the alignment (key `general.alignment`, else 32), then the data that offsets count from
//! ```
//!
//! The file is taken to be hostile: every count, length and offset is checked against what is there before anything is
//! allocated or sliced by it.

mod cursor;
mod meta;
mod tokenizer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::{Config, Stored};
use kernels::{Bytes, DType};
use serde_json::{Map, Value};

use self::cursor::{Cursor, Fault};
pub use self::meta::{Array, Meta};
use crate::extent::{bytes_of, no_overlap};
use crate::{Error, Place, Result};

/// Whole files begin with this.
pub(crate) const MAGIC: &[u8; 4] = b"GGUF";

/// More keys and tensors than any real file has; it bounds what the tables of a hostile one can take in memory.
const MOST_KEYS: u64 = 1 << 16;
const MOST_TENSORS: u64 = 1 << 20;

/// Arrays longer than this (vocabularies) are left out of the configuration.
const LONGEST_IN_CONFIG: usize = 4096;

/// An open file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    meta: BTreeMap<String, Meta>,
    tensors: BTreeMap<String, Stored>,
}

/// A row of the table of tensors.
struct Row {
    name: String,
    shape: Vec<u64>,
    encoding: u32,
    offset: u64,
}

impl Gguf {
    /// Reads the tables of a file. `path` is for messages only.
    pub fn parse(bytes: Bytes, path: &Path) -> Result<Self> {
        let data = bytes.as_slice();
        let damaged = |why: Fault| Error::damaged(path, why);
        let (keys, rows, mut cursor) = header(data, path)?;
        let mut meta = BTreeMap::new();
        for i in 0..keys {
            let name = cursor.text().map_err(|why| damaged(format!("key {i} of {keys}: {why}")))?;
            let value = cursor.u32().and_then(|kind| meta::read(&mut cursor, kind));
            let value = value.map_err(|why| Error::damaged(Place::new(path, format!("key `{name}`")), why))?;
            if meta.insert(name.to_owned(), value).is_some() {
                return Err(Error::damaged(Place::new(path, format!("key `{name}`")), "it occurs twice"));
            }
        }
        refuse_parts(&meta, path)?;
        let mut table = Vec::new();
        for i in 0..rows {
            table.push(row(&mut cursor).map_err(|why| damaged(format!("tensor {i} of {rows}: {why}")))?);
        }
        let alignment = alignment(&meta).map_err(damaged)?;
        let start = cursor.at().next_multiple_of(alignment);
        let tensors = tensors(table, &bytes, start, alignment, path)?;
        Ok(Self { path: path.into(), bytes, meta, tensors })
    }

    /// All keys.
    pub fn meta(&self) -> &BTreeMap<String, Meta> {
        &self.meta
    }

    /// All tensors, by the file's own names.
    pub fn tensors(&self) -> &BTreeMap<String, Stored> {
        &self.tensors
    }

    /// The elements of the array under a key, if there is one.
    pub fn array(&self, key: &str) -> Result<Option<Vec<Meta>>> {
        self.array_of(key, |value| value)
    }

    fn array_of<T>(&self, key: &str, convert: impl Fn(Meta) -> T) -> Result<Option<Vec<T>>> {
        let Some(Meta::Array(array)) = self.meta.get(key) else { return Ok(None) };
        array.map(self.bytes.as_slice(), convert).map(Some).map_err(|why| self.bad_key(key, why))
    }

    /// The metadata as the engine takes it. Long arrays, and those of the tokenizer, are left out.
    pub fn config(&self) -> Result<Config> {
        let mut object = Map::new();
        for (key, value) in &self.meta {
            let value = match value {
                Meta::Array(array) if array.len() > LONGEST_IN_CONFIG || key.starts_with("tokenizer.") => continue,
                Meta::Array(_) => self.array(key)?.into_iter().flatten().map(|x| x.to_json()).collect::<Value>(),
                plain => plain.to_json(),
            };
            object.insert(key.clone(), value);
        }
        Ok(Config::Gguf(Value::Object(object)))
    }

    fn bad_key(&self, key: &str, why: impl Into<String>) -> Error {
        Error::damaged(Place::new(&self.path, format!("key `{key}`")), why)
    }
}

/// Number of keys, number of tensors, and a cursor at the first key.
fn header<'a>(data: &'a [u8], path: &Path) -> Result<(u64, u64, Cursor<'a>)> {
    let unsupported = |what: String, remedy| Err(Error::Unsupported { place: path.into(), what, remedy });
    if !data.starts_with(MAGIC) {
        return unsupported("not a GGUF file (it does not begin with the letters GGUF)".into(), "Name another file");
    }
    let damaged = |why: Fault| Error::damaged(path, why);
    let mut cursor = Cursor::new(data, MAGIC.len());
    match cursor.u32().map_err(damaged)? {
        2 | 3 => {}
        1 => return unsupported("GGUF version 1, of 2023".into(), "Convert the model again with a present llama.cpp"),
        v if matches!(v.swap_bytes(), 1..=3) => {
            return unsupported("a big-endian GGUF file".into(), "Convert it with `gguf-convert-endian FILE little`");
        }
        v => return unsupported(format!("GGUF version {v}; known are 2 and 3"), "A newer release may read it"),
    }
    let tensors = cursor.u64().map_err(damaged)?;
    let keys = cursor.u64().map_err(damaged)?;
    for (count, most, what) in [(tensors, MOST_TENSORS, "tensors"), (keys, MOST_KEYS, "keys")] {
        if count > most {
            return Err(damaged(format!("it claims to hold {count} {what}; no real file has more than {most}")));
        }
    }
    Ok((keys, tensors, cursor))
}

/// One part of a file that was split is not a model.
fn refuse_parts(meta: &BTreeMap<String, Meta>, path: &Path) -> Result<()> {
    match meta.get("split.count").and_then(Meta::as_u64) {
        Some(parts) if parts > 1 => Err(Error::Unsupported {
            place: path.into(),
            what: format!("one of {parts} parts of a split file"),
            remedy: "Join them with `llama-gguf-split --merge FIRST-PART WHOLE`",
        }),
        _ => Ok(()),
    }
}

fn row(cursor: &mut Cursor<'_>) -> Result<Row, Fault> {
    let name = cursor.text()?.to_owned();
    let rank = cursor.u32()?;
    if rank > 8 {
        return Err(format!("`{name}` has {rank} dimensions"));
    }
    let mut shape = (0..rank).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
    shape.reverse();
    Ok(Row { name, shape, encoding: cursor.u32()?, offset: cursor.u64()? })
}

fn alignment(meta: &BTreeMap<String, Meta>) -> Result<usize, Fault> {
    match meta.get("general.alignment") {
        None => Ok(32),
        Some(value) => match value.as_u64() {
            Some(a) if a.is_power_of_two() && a <= 1 << 16 => Ok(a as usize),
            _ => Err("general.alignment is not a power of two up to 65536".into()),
        },
    }
}

/// Finds the bytes of each tensor: inside the data, aligned, and of no other tensor.
fn tensors(
    table: Vec<Row>,
    bytes: &Bytes,
    start: usize,
    alignment: usize,
    path: &Path,
) -> Result<BTreeMap<String, Stored>> {
    let total = bytes.as_slice().len();
    let mut tensors = BTreeMap::new();
    let mut extents = Vec::new();
    for row in table {
        let place = || Place::new(path, format!("tensor `{}`", row.name));
        let damaged = |why: String| Error::damaged(place(), why);
        let dtype = DType::from_ggml(row.encoding).ok_or_else(|| Error::Unsupported {
            place: place(),
            what: format!("its encoding, {}, is not one that is read here", encoding_name(row.encoding)),
            remedy: "Get the model as F16, BF16, Q8_0, Q4_0 to Q5_1 or Q2_K to Q6_K",
        })?;
        let (shape, len) = bytes_of(dtype, &row.shape).map_err(damaged)?;
        if row.offset % alignment as u64 != 0 {
            return Err(damaged(format!("its offset {} is no multiple of {alignment}", row.offset)));
        }
        let range = usize::try_from(row.offset)
            .ok()
            .and_then(|offset| start.checked_add(offset))
            .and_then(|from| Some(from..from.checked_add(len)?))
            .filter(|range| range.end <= total)
            .ok_or_else(|| {
                damaged(format!("its {len} bytes at offset {} end after the file ({total} bytes)", row.offset))
            })?;
        extents.push((range.clone(), row.name.clone()));
        let stored = Stored { dtype, shape, bytes: bytes.slice(range).expect("just checked against the end") };
        if tensors.insert(row.name.clone(), stored).is_some() {
            return Err(damaged("it occurs twice".into()));
        }
    }
    no_overlap(extents).map_err(|why| Error::damaged(path, why))?;
    Ok(tensors)
}

/// What people call an encoding that is not read here.
fn encoding_name(number: u32) -> String {
    let name = match number {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => return format!("number {number}"),
    };
    name.into()
}

#[cfg(test)]
mod tests;
