//! The metadata of a GGUF file: keys and typed values.

use std::ops::Range;

use serde_json::Value;

use super::cursor::{Cursor, Fault};

/// One value. Whole numbers and floats of every width are held in the widest.
#[derive(Clone, Debug, PartialEq)]
pub enum Meta {
    /// An unsigned whole number.
    Unsigned(u64),
    /// A signed whole number.
    Signed(i64),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Values of one kind. They stay in the file until asked for: a vocabulary need not be read to read the weights.
    Array(Array),
}

/// An array's place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    kind: u32,
    len: usize,
    range: Range<usize>,
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of one element of a kind whose elements are all of one size.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Reads a value of a kind.
pub(super) fn read(cursor: &mut Cursor<'_>, kind: u32) -> Result<Meta, Fault> {
    Ok(match kind {
        0 => Meta::Unsigned(cursor.u8()?.into()),
        1 => Meta::Signed(cursor.u8()?.cast_signed().into()),
        2 => Meta::Unsigned(cursor.u16()?.into()),
        3 => Meta::Signed(cursor.u16()?.cast_signed().into()),
        4 => Meta::Unsigned(cursor.u32()?.into()),
        5 => Meta::Signed(cursor.u32()?.cast_signed().into()),
        6 => Meta::Float(f32::from_bits(cursor.u32()?)),
        7 => Meta::Bool(cursor.u8()? != 0),
        TEXT => Meta::Text(cursor.text()?.into()),
        ARRAY => Meta::Array(pass_array(cursor)?),
        10 => Meta::Unsigned(cursor.u64()?),
        11 => Meta::Signed(cursor.u64()?.cast_signed()),
        12 => Meta::Double(f64::from_bits(cursor.u64()?)),
        other => return Err(format!("there is no value type {other}")),
    })
}

/// Passes over an array, checking that it is all there.
fn pass_array(cursor: &mut Cursor<'_>) -> Result<Array, Fault> {
    let (kind, len) = (cursor.u32()?, cursor.u64()?);
    let start = cursor.at();
    match (kind, width(kind)) {
        (_, Some(width)) => {
            let bytes = len.checked_mul(width).ok_or_else(|| format!("an array of {len} elements cannot be"))?;
            cursor.skip(bytes)?;
        }
        // Each text takes eight bytes at least, so the loop ends with the file at the latest.
        (TEXT, None) => {
            for _ in 0..len {
                cursor.bytes()?;
            }
        }
        (ARRAY, None) => return Err("an array of arrays, which no known file has".into()),
        (other, None) => return Err(format!("there is no value type {other}")),
    }
    Ok(Array { kind, len: len as usize, range: start..cursor.at() })
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements, each converted, out of the bytes of the whole file.
    pub(super) fn map<T>(&self, file: &[u8], convert: impl Fn(Meta) -> T) -> Result<Vec<T>, Fault> {
        let mut cursor = Cursor::new(&file[..self.range.end], self.range.start);
        (0..self.len).map(|_| read(&mut cursor, self.kind).map(&convert)).collect()
    }

    /// The elements of an array of texts.
    pub(super) fn texts<'a>(&self, file: &'a [u8]) -> Option<Result<Vec<&'a str>, Fault>> {
        let mut cursor = Cursor::new(&file[..self.range.end], self.range.start);
        (self.kind == TEXT).then(|| (0..self.len).map(|_| cursor.text()).collect())
    }
}

impl Meta {
    /// As JSON; an array becomes `null` (see [`super::Gguf::config`]).
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Unsigned(x) => (*x).into(),
            Self::Signed(x) => (*x).into(),
            // Writers made a 32-bit float out of a short decimal: that decimal is what was meant.
            Self::Float(x) => x.to_string().parse::<f64>().ok().filter(|x| x.is_finite()).into(),
            Self::Double(x) => x.is_finite().then_some(*x).into(),
            Self::Bool(x) => (*x).into(),
            Self::Text(x) => x.as_str().into(),
            Self::Array(_) => Value::Null,
        }
    }

    /// A whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(x) => Some(*x),
            Self::Signed(x) => u64::try_from(*x).ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(x) => Some(*x as f64),
            Self::Signed(x) => Some(*x as f64),
            Self::Float(x) => Some(f64::from(*x)),
            Self::Double(x) => Some(*x),
            _ => None,
        }
    }

    /// True or false.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(x) = self { Some(*x) } else { None }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(x) = self { Some(x) } else { None }
    }
}
