//! Parts of arrays: slices along named dims, and the largest values of blocks.

use std::collections::BTreeMap;

/// An array of numbers as raw little-endian bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raw {
    pub(super) dims: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: String,
    pub(super) bytes: Vec<u8>,
}

impl Raw {
    fn width(&self) -> usize {
        if matches!(self.dtype.as_str(), "f64" | "i64") { 8 } else { 4 }
    }

    /// The part at some indices; their dims drop out.
    pub(super) fn slice(mut self, at: &BTreeMap<String, usize>) -> Result<Self, String> {
        for (dim, &index) in at {
            let found = self.dims.iter().position(|known| known == dim);
            let axis = found.ok_or_else(|| format!("there is no dim `{dim}`; there are {}", self.dims.join(", ")))?;
            let size = self.shape[axis];
            if index >= size {
                return Err(format!("index {index} is outside `{dim}`, which has {size}"));
            }
            let inner = self.shape[axis + 1..].iter().product::<usize>() * self.width();
            let parts = self.bytes.chunks_exact((size * inner).max(1));
            self.bytes = parts.flat_map(|part| &part[index * inner..(index + 1) * inner]).copied().collect();
            self.dims.remove(axis);
            self.shape.remove(axis);
        }
        Ok(self)
    }

    /// The last two dims made at most `most` long: of each block the value of largest magnitude, NaN above all, so that
    /// nothing that stands out is lost. Only of f32.
    pub(super) fn pool(self, most: usize) -> Result<Self, String> {
        let &[.., rows, columns] = self.shape.as_slice() else { return Err("pooling needs two dims".into()) };
        if self.dtype != "f32" || most == 0 {
            return Err("only f32 can be pooled, to at least one place".into());
        }
        if rows <= most && columns <= most {
            return Ok(self);
        }
        let (to_rows, to_columns) = (rows.min(most), columns.min(most));
        let values: Vec<f32> = self.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let mut pooled = Vec::with_capacity(self.bytes.len());
        for map in values.chunks_exact(rows * columns) {
            let mut largest = vec![0.0f32; to_rows * to_columns];
            for (row, values) in map.chunks_exact(columns).enumerate() {
                let into = &mut largest[row * to_rows / rows * to_columns..][..to_columns];
                for (column, &value) in values.iter().enumerate() {
                    let held = &mut into[column * to_columns / columns];
                    if value.is_nan() || value.abs() > held.abs() {
                        *held = if held.is_nan() { *held } else { value };
                    }
                }
            }
            pooled.extend(largest.iter().flat_map(|value| value.to_le_bytes()));
        }
        let mut shape = self.shape.clone();
        let rank = shape.len();
        (shape[rank - 2], shape[rank - 1]) = (to_rows, to_columns);
        Ok(Self { shape, bytes: pooled, ..self })
    }
}

/// `layer:3,head:1`.
pub(super) fn parse_slice(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let one = |part: &str| {
        let wrong = || format!("`{part}` is no slice: give dim:index, such as layer:3");
        let (dim, index) = part.rsplit_once(':').ok_or_else(wrong)?;
        Ok((dim.to_owned(), index.parse().map_err(|_| wrong())?))
    };
    text.split(',').filter(|part| !part.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(dims: &[&str], shape: &[usize], values: impl IntoIterator<Item = f32>) -> Raw {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        Raw { dims: dims.iter().map(|&d| d.into()).collect(), shape: shape.into(), dtype: "f32".into(), bytes }
    }

    fn values(raw: &Raw) -> Vec<f32> {
        raw.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }

    #[test]
    fn slices_drop_their_dims() {
        let cube = raw(&["layer", "pos/dst", "pos/src"], &[2, 3, 4], (0..24).map(|i| i as f32));
        let row = cube.clone().slice(&parse_slice("layer:1,pos/dst:2").unwrap()).unwrap();
        assert_eq!((row.dims.join(" "), values(&row)), ("pos/src".into(), vec![20.0, 21.0, 22.0, 23.0]));
        let column = cube.clone().slice(&parse_slice("pos/src:1").unwrap()).unwrap();
        assert_eq!(values(&column), [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]);
        assert!(cube.clone().slice(&parse_slice("head:0").unwrap()).unwrap_err().contains("no dim `head`"));
        assert!(cube.slice(&parse_slice("layer:2").unwrap()).unwrap_err().contains("outside"));
        assert!(
            parse_slice("layer").is_err() && parse_slice("layer:x").is_err() && parse_slice("").unwrap().is_empty()
        );
    }

    #[test]
    fn pooling_keeps_what_stands_out() {
        let mut numbers = vec![0.1f32; 2 * 7 * 5];
        (numbers[36], numbers[0], numbers[69]) = (-9.0, f32::NAN, 3.0);
        let pooled = raw(&["head", "y", "x"], &[2, 7, 5], numbers).pool(2).unwrap();
        assert_eq!(pooled.shape, [2, 2, 2]);
        let found = values(&pooled);
        assert!(found[0].is_nan());
        assert_eq!(found[1..], [0.1, 0.1, 0.1, -9.0, 0.1, 0.1, 3.0]);
        let small = raw(&["y", "x"], &[1, 2], [1.0, 2.0]);
        assert_eq!(small.clone().pool(2).unwrap(), small);
        assert!(raw(&["x"], &[2], [1.0, 2.0]).pool(2).is_err() && small.pool(0).is_err());
    }
}
