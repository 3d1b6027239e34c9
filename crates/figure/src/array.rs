//! Named axes and flat, row-major data.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::axis::Axis;
use crate::detached;
use crate::number::{Element, Read, Written};

/// An array with named axes: `data` is row-major, the last axis runs fastest.
///
/// Its JSON form is `{"dims": ["pos/dst", "pos/src"], "shape": [2, 2], "data": [...]}` with numbers or
/// strings in `data`; NaN and the infinities are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
/// The number of elements always equals the product of the shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    dims: Vec<Axis>,
    shape: Vec<usize>,
    data: Vec<T>,
}

/// Why axes, shape and data do not make an array.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrayError {
    /// One size per axis is needed.
    #[error("{dims} axes but {sizes} sizes: give one size per axis")]
    Rank {
        /// Number of named axes.
        dims: usize,
        /// Number of sizes.
        sizes: usize,
    },
    /// The data are not as many as the shape says.
    #[error("shape {shape:?} holds {} elements, but {given} were given", count(*.expected))]
    Length {
        /// The shape as given.
        shape: Vec<usize>,
        /// Its product, or nothing where that does not fit in memory.
        expected: Option<usize>,
        /// Number of elements given.
        given: usize,
    },
    /// Two axes have the same name, so neither could be named alone.
    #[error("two axes are called {axis}: give them the roles dst and src")]
    Repeated {
        /// The name.
        axis: Axis,
    },
}

fn count(elements: Option<usize>) -> String {
    elements.map_or_else(|| "too many".to_owned(), |n| n.to_string())
}

/// The product of a shape, or nothing where it overflows.
fn product(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |all, &size| all.checked_mul(size))
}

impl<T> Array<T> {
    /// An array from its axes, their sizes and the row-major data.
    pub fn new(
        dims: impl IntoIterator<Item = impl Into<Axis>>,
        shape: impl Into<Vec<usize>>,
        data: Vec<T>,
    ) -> Result<Self, ArrayError> {
        let dims: Vec<Axis> = dims.into_iter().map(Into::into).collect();
        let shape = shape.into();
        if dims.len() != shape.len() {
            return Err(ArrayError::Rank { dims: dims.len(), sizes: shape.len() });
        }
        let expected = product(&shape);
        if expected != Some(data.len()) {
            return Err(ArrayError::Length { shape, expected, given: data.len() });
        }
        for (i, &axis) in dims.iter().enumerate() {
            if dims[..i].contains(&axis) {
                return Err(ArrayError::Repeated { axis });
            }
        }
        Ok(Array { dims, shape, data })
    }

    /// An array of one axis, as long as the data.
    pub fn vector(axis: impl Into<Axis>, data: Vec<T>) -> Self {
        Array { dims: vec![axis.into()], shape: vec![data.len()], data }
    }

    /// An array of two axes, `rows` by `columns`.
    pub fn matrix(
        row_axis: impl Into<Axis>,
        column_axis: impl Into<Axis>,
        rows: usize,
        columns: usize,
        data: Vec<T>,
    ) -> Result<Self, ArrayError> {
        Array::new([row_axis.into(), column_axis.into()], [rows, columns], data)
    }

    /// The names of the axes, slowest first.
    pub fn dims(&self) -> &[Axis] {
        &self.dims
    }

    /// The size of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, row-major, given away.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The size of the axis of this name, if there is one.
    pub fn size(&self, axis: impl Into<Axis>) -> Option<usize> {
        let axis = axis.into();
        self.dims.iter().position(|&dim| dim == axis).map(|i| self.shape[i])
    }

    /// The element at this index, or nothing where the index is outside or of another rank.
    pub fn get(&self, index: &[usize]) -> Option<&T> {
        if index.len() != self.rank() {
            return None;
        }
        let mut flat = 0;
        for (&i, &size) in index.iter().zip(&self.shape) {
            if i >= size {
                return None;
            }
            flat = flat * size + i;
        }
        self.data.get(flat)
    }

    /// The same axes with every element mapped.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Array<U> {
        Array { dims: self.dims.clone(), shape: self.shape.clone(), data: self.data.iter().map(f).collect() }
    }

    /// Whether the other array has the same axes and sizes.
    pub fn same_axes<U>(&self, other: &Array<U>) -> bool {
        self.dims == other.dims && self.shape == other.shape
    }
}

impl<T: Clone> Array<T> {
    /// The array without one axis: the elements at `index` along it. Nothing where there is no such
    /// axis or no such index.
    pub fn at(&self, axis: impl Into<Axis>, index: usize) -> Option<Self> {
        let axis = axis.into();
        let at = self.dims.iter().position(|&dim| dim == axis)?;
        if index >= self.shape[at] {
            return None;
        }
        let inner: usize = self.shape[at + 1..].iter().product();
        let outer: usize = self.shape[..at].iter().product();
        let mut data = Vec::with_capacity(outer * inner);
        for o in 0..outer {
            let start = (o * self.shape[at] + index) * inner;
            data.extend_from_slice(&self.data[start..start + inner]);
        }
        let (mut dims, mut shape) = (self.dims.clone(), self.shape.clone());
        dims.remove(at);
        shape.remove(at);
        Some(Array { dims, shape, data })
    }
}

impl<T: Element> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Elements<'a, T>(&'a [T]);
        impl<T: Element> Serialize for Elements<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.iter().map(Written))
            }
        }
        if let Some(reference) = detached::take(&self.data) {
            let mut form = serializer.serialize_struct("Array", 4)?;
            form.serialize_field("dims", &self.dims)?;
            form.serialize_field("shape", &self.shape)?;
            form.serialize_field("dtype", T::NAME)?;
            form.serialize_field("ref", &reference)?;
            return form.end();
        }
        let mut form = serializer.serialize_struct("Array", 3)?;
        form.serialize_field("dims", &self.dims)?;
        form.serialize_field("shape", &self.shape)?;
        form.serialize_field("data", &Elements(&self.data))?;
        form.end()
    }
}

impl<'de, T: Element> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound = "T: Element", deny_unknown_fields)]
        struct Form<T> {
            dims: Vec<Axis>,
            shape: Vec<usize>,
            data: Vec<Read<T>>,
        }
        let form = Form::<T>::deserialize(deserializer)?;
        let data = form.data.into_iter().map(|read| read.0).collect();
        Array::new(form.dims, form.shape, data).map_err(serde::de::Error::custom)
    }
}

impl<T: Element> JsonSchema for Array<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Array_{}", T::NAME).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let dims = generator.subschema_for::<Vec<Axis>>();
        let items = T::schema(generator);
        json_schema!({
            "description": "Named axes and flat, row-major data.",
            "type": "object",
            "properties": {
                "dims": dims,
                "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                "data": { "type": "array", "items": items },
            },
            "required": ["dims", "shape", "data"],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::axis::Dim;

    #[test]
    fn the_json_form_is_the_agreed_one() {
        let pattern = Array::matrix(Dim::Pos.dst(), Dim::Pos.src(), 2, 2, vec![1.0_f32, 0.0, 0.1, 0.9]).unwrap();
        assert_eq!(
            serde_json::to_string(&pattern).unwrap(),
            r#"{"dims":["pos/dst","pos/src"],"shape":[2,2],"data":[1.0,0.0,0.1,0.9]}"#
        );
        let odd = Array::vector(Dim::Layer, vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300]);
        let json = serde_json::to_string(&odd).unwrap();
        assert_eq!(json, r#"{"dims":["layer"],"shape":[4],"data":["NaN","Infinity","-Infinity",1e+300]}"#);
        let back: Array<f64> = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
        let words = Array::vector(Dim::Pos, vec!["NaN".to_owned(), "\u{1b}[31m\n".to_owned()]);
        let json = serde_json::to_string(&words).unwrap();
        assert_eq!(serde_json::from_str::<Array<String>>(&json).unwrap(), words);
    }

    #[test]
    fn a_wrong_shape_is_an_error_that_names_the_numbers() {
        let short = Array::matrix(Dim::Layer, Dim::Pos, 2, 3, vec![0_u32; 5]).unwrap_err();
        assert_eq!(short.to_string(), "shape [2, 3] holds 6 elements, but 5 were given");
        let rank = Array::new([Dim::Layer], [1, 1], vec![0_u32]).unwrap_err();
        assert_eq!(rank, ArrayError::Rank { dims: 1, sizes: 2 });
        let huge = Array::new([Dim::Layer, Dim::Pos], [usize::MAX, 2], vec![0_u32]).unwrap_err();
        assert_eq!(huge.to_string(), format!("shape [{}, 2] holds too many elements, but 1 were given", usize::MAX));
        let twice = Array::matrix(Dim::Pos, Dim::Pos, 1, 1, vec![0_u32]).unwrap_err();
        assert_eq!(twice, ArrayError::Repeated { axis: Dim::Pos.into() });
        let empty = Array::new([Dim::Layer, Dim::Pos], [0, usize::MAX], Vec::<f32>::new()).unwrap();
        assert!(empty.is_empty());
        for json in [
            r#"{"dims":["pos"],"shape":[2],"data":[1]}"#,
            r#"{"dims":["place"],"shape":[1],"data":[1]}"#,
            r#"{"dims":["pos"],"shape":[1],"data":["nan"]}"#,
            r#"{"dims":["pos"],"shape":[1],"data":[1],"more":0}"#,
        ] {
            assert!(serde_json::from_str::<Array<f64>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn one_index_along_an_axis_takes_that_axis_away() {
        let data = (0..24_u32).collect();
        let cube = Array::new([Dim::Layer, Dim::Pos, Dim::K], [2, 3, 4], data).unwrap();
        let middle = cube.at(Dim::Pos, 1).unwrap();
        assert_eq!(middle.dims(), [Dim::Layer.into(), Dim::K.into()]);
        assert_eq!(middle.data(), [4, 5, 6, 7, 16, 17, 18, 19]);
        assert_eq!(cube.at(Dim::K, 0).unwrap().data(), [0, 4, 8, 12, 16, 20]);
        assert_eq!(cube.at(Dim::Layer, 1).unwrap().get(&[2, 3]), Some(&23));
        assert!(cube.at(Dim::K, 4).is_none() && cube.at(Dim::Head, 0).is_none());
        assert_eq!(cube.get(&[1, 0]), None);
        assert_eq!(cube.get(&[0, 3, 0]), None);
    }

    proptest! {
        #[test]
        fn json_reads_back_as_the_same_numbers(data in prop::collection::vec(any::<f32>(), 0..40)) {
            let array = Array::vector(Dim::Step, data);
            let json = serde_json::to_string(&array).unwrap();
            let back: Array<f32> = serde_json::from_str(&json).unwrap();
            let bits = |a: &Array<f32>| a.data().iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect::<Vec<_>>();
            prop_assert_eq!(bits(&array), bits(&back));
        }
    }
}
