//! How an element of an [`Array`](crate::Array) is written in JSON.
//!
//! JSON has no NaN and no infinity, so these are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
//! An f32 is written with the fewest decimal digits that read back as the same f32: 0.1 is `0.1`, also
//! when the document passes through [`serde_json::Value`], which holds f64 only.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an [`Array`](crate::Array) may hold: `f32`, `f64`, `u32`, `i64` or `String`.
pub trait Element: Clone + PartialEq + fmt::Debug {
    /// Writes one element in the JSON form of arrays.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads one element from the JSON form of arrays.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// The JSON schema of one element.
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// The element's name in the name of an array's schema.
    const NAME: &'static str;

    /// Adds the element's bytes, little-endian; nothing where elements have no fixed size.
    fn add_bytes(&self, bytes: &mut Vec<u8>) -> Option<()>;
}

/// The f64 whose shortest decimal form is the shortest decimal form of `value`.
///
/// Widening 0.1f32 gives 0.10000000149011612; this gives 0.1. It narrows back to `value`.
pub(crate) fn widen(value: f32) -> f64 {
    // Whole numbers up to 2^24 have the same digits in both precisions.
    if !value.is_finite() || (value == value.trunc() && value.abs() < 16_777_216.0) {
        return f64::from(value);
    }
    let mut digits = zmij::Buffer::new();
    digits.format_finite(value).parse().unwrap_or_else(|_| f64::from(value))
}

fn write_float<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(value)
    } else if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value > 0.0 {
        serializer.serialize_str("Infinity")
    } else {
        serializer.serialize_str("-Infinity")
    }
}

struct FloatVisitor;

impl Visitor<'_> for FloatVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a number, "NaN", "Infinity" or "-Infinity""#)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

fn float_schema() -> Schema {
    json_schema!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
}

impl Element for f64 {
    const NAME: &'static str = "f64";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_float(*self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FloatVisitor)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        float_schema()
    }

    fn add_bytes(&self, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend(self.to_le_bytes());
        Some(())
    }
}

impl Element for f32 {
    const NAME: &'static str = "f32";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_float(widen(*self), serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FloatVisitor).map(|value| value as f32)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        float_schema()
    }

    fn add_bytes(&self, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend(self.to_le_bytes());
        Some(())
    }
}

/// Elements that serde writes as arrays need them already.
macro_rules! plain {
    ($type:ty, $name:literal, $add_bytes:expr) => {
        impl Element for $type {
            const NAME: &'static str = $name;

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$type>::deserialize(deserializer)
            }

            fn schema(generator: &mut SchemaGenerator) -> Schema {
                generator.subschema_for::<$type>()
            }

            fn add_bytes(&self, bytes: &mut Vec<u8>) -> Option<()> {
                $add_bytes(self, bytes)
            }
        }
    };
}

plain!(u32, "u32", |x: &u32, bytes: &mut Vec<u8>| {
    bytes.extend(x.to_le_bytes());
    Some(())
});
plain!(i64, "i64", |x: &i64, bytes: &mut Vec<u8>| {
    bytes.extend(x.to_le_bytes());
    Some(())
});
plain!(String, "string", |_, _| None);

/// An element in serde's own terms, for fields and sequences.
pub(crate) struct Written<'a, T>(pub(crate) &'a T);

impl<T: Element> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// The reading counterpart of [`Written`].
pub(crate) struct Read<T>(pub(crate) T);

impl<'de, T: Element> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Read)
    }
}

/// `#[serde(with = ...)]` for an f64 that may be infinite.
pub(crate) mod single {
    use super::{Deserialize, Deserializer, Element, Read, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls this with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Read::deserialize(deserializer).map(|read| read.0)
    }
}

/// `#[serde(with = ...)]` for an optional f64 that may be infinite.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Read, Serialize, Serializer, Written};

    #[allow(clippy::ref_option, reason = "serde calls this with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Written).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Read<f64>>::deserialize(deserializer)?.map(|read| read.0))
    }
}

/// `#[serde(with = ...)]` for an optional pair of f64 that may be infinite.
pub(crate) mod optional_pair {
    use super::{Deserialize, Deserializer, Read, Serialize, Serializer, Written};

    #[allow(clippy::ref_option, reason = "serde calls this with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(pair: &Option<[f64; 2]>, serializer: S) -> Result<S::Ok, S::Error> {
        pair.as_ref().map(|[low, high]| [Written(low), Written(high)]).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f64; 2]>, D::Error> {
        Ok(Option::<[Read<f64>; 2]>::deserialize(deserializer)?.map(|[low, high]| [low.0, high.0]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_f32_keeps_its_short_form_through_a_json_value() {
        let value = serde_json::to_value(Written(&0.1_f32)).unwrap();
        assert_eq!(value.to_string(), "0.1");
        assert_eq!(serde_json::to_string(&Written(&1.0e-8_f32)).unwrap(), "1e-8");
        assert_eq!(serde_json::to_string(&Written(&f32::MAX)).unwrap(), "3.4028235e+38");
        assert_eq!(serde_json::to_string(&Written(&-0.0_f32)).unwrap(), "-0.0");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn every_finite_f32_reads_back_as_its_own_bits(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!((widen(value) as f32).to_bits(), bits);
            let json = serde_json::to_string(&Written(&value)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Read<f32>>(&json).unwrap().0.to_bits(), bits);
        }
    }
}
