//! NumPy's `.npy` files: one array.
//!
//! `\x93NUMPY`, version (two bytes), length of the header (two bytes, or four from version 2), the header, then the
//! elements. The header is a Python dictionary of three fixed keys, written by `repr`: it is read as exactly that.

use std::path::Path;

use kernels::{Bytes, DType};

use crate::extent::bytes_of;
use crate::{Error, Result};
use engine::Stored;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Reads a file. `path` is for messages only.
pub fn parse(bytes: &Bytes, path: &Path) -> Result<Stored> {
    let file = bytes.as_slice();
    let damaged = |why: &str| Error::damaged(path, why);
    if !file.starts_with(MAGIC) {
        return Err(damaged("it does not begin as .npy files do"));
    }
    let (length, start) = match file.get(6..12) {
        Some(&[1, _, a, b, _, _]) => (u32::from(u16::from_le_bytes([a, b])), 10),
        Some(&[2 | 3, _, a, b, c, d]) => (u32::from_le_bytes([a, b, c, d]), 12),
        _ => return Err(damaged("its version is none that is known")),
    };
    let data = start + length as usize;
    let header = file.get(start..data).ok_or_else(|| damaged("it ends inside its header"))?;
    let header = std::str::from_utf8(header).ok().and_then(Header::read);
    let header = header.ok_or_else(|| damaged("its header is not as NumPy writes it"))?;
    let unsupported = |what: String, remedy| Error::Unsupported { place: path.into(), what, remedy };
    let dtype = encoding(&header.descr).ok_or_else(|| {
        let what = format!("its elements are `{}`", crate::error::shortened(&header.descr));
        unsupported(what, "Save it with `numpy.save(FILE, array.astype(\"<f4\"))`")
    })?;
    if header.fortran && header.shape.len() > 1 {
        let what = "its elements are in Fortran's order".into();
        return Err(unsupported(what, "Save it with `numpy.save(FILE, numpy.ascontiguousarray(array))`"));
    }
    let (shape, len) = bytes_of(dtype, &header.shape).map_err(|why| damaged(&why))?;
    if len != file.len() - data {
        return Err(damaged(&format!("its shape {shape:?} takes {len} bytes, and it has {}", file.len() - data)));
    }
    Ok(Stored { dtype, shape, bytes: bytes.slice(data..file.len()).expect("just checked against the end") })
}

/// NumPy's name of an encoding, as ours.
fn encoding(descr: &str) -> Option<DType> {
    Some(match descr {
        "<f8" => DType::F64,
        "<f4" => DType::F32,
        "<f2" => DType::F16,
        "<i8" => DType::I64,
        "<i4" => DType::I32,
        "<i2" => DType::I16,
        "|i1" => DType::I8,
        "|u1" | "|b1" => DType::U8,
        _ => return None,
    })
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => {
                    let (value, after) = quoted(value)?;
                    descr = Some(value.to_owned());
                    after
                }
                "fortran_order" => {
                    let (value, after) = value.split_at_checked(value.find(|c: char| !c.is_alphabetic())?)?;
                    fortran = Some(match value {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    });
                    after
                }
                "shape" => {
                    let (inside, after) = value.strip_prefix('(')?.split_once(')')?;
                    let lengths = inside.split(',').map(str::trim).filter(|n| !n.is_empty());
                    shape = Some(lengths.map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?);
                    after
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        let shape = shape.filter(|shape| shape.len() <= 32)?;
        Some(Self { descr: descr?, fortran: fortran?, shape })
    }
}

/// Text in quotes at the start, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Bytes {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes.into()
    }

    fn read(header: &str, data: &[u8]) -> Result<Stored> {
        parse(&file(header, data), Path::new("x.npy"))
    }

    #[test]
    fn as_numpy_writes_it() {
        let x = read("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }   \n", &[0; 8]).unwrap();
        assert_eq!((x.dtype, x.shape), (DType::F32, vec![1, 2]));
        let x = read("{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }\n", b"abc").unwrap();
        assert_eq!((x.dtype, x.shape, x.bytes.as_slice()), (DType::U8, vec![3], b"abc".as_slice()));
        let x = read("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", &[0; 8]).unwrap();
        assert_eq!((x.dtype, x.shape.len()), (DType::F64, 0));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_remedy() {
        let message = |header: &str| read(header, &[0; 8]).unwrap_err().to_string();
        assert!(message("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }").contains("astype"));
        assert!(message("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }").contains("`|O`"));
        assert!(message("{'descr': '<f4', 'fortran_order': True, 'shape': (1,2), }").contains("Fortran"));
        assert!(
            message("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }")
                .contains("takes 12 bytes, and it has 8")
        );
        assert!(
            message("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 8), }").contains("shape")
        );
        assert!(message("{'descr': '<f4', 'shape': (2,), }").contains("as NumPy writes it"));
    }
}
