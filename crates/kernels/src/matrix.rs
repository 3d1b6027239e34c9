//! Weight matrices: where they come from, and how a backend holds them.

use std::ops::Range;

use crate::{Bytes, DType, quant};

/// A matrix `[rows, cols]` as it lies in a file: nothing is read until a backend packs it.
#[derive(Clone, Debug)]
pub struct Source {
    /// How the elements are encoded.
    pub dtype: DType,
    /// The encoded rows, one after another, without gaps.
    pub bytes: Bytes,
    /// Rows in `bytes`.
    pub stored_rows: usize,
    /// Elements in each stored row.
    pub stored_cols: usize,
    /// The stored row that stands at each row of the matrix: `None` for all, in order. It undoes permutations and
    /// takes a matrix out of a fused one.
    pub rows: Option<Vec<u32>>,
    /// Whether the matrix is the transpose of what is stored (after `rows` was applied).
    pub transposed: bool,
}

/// Whether packing expands a matrix to floats once, or keeps it as stored and expands it panel by panel at each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// Expanded once: fastest, four bytes an element.
    Expanded,
    /// Kept in its own encoding (which may be a memory map), expanded in pieces that fit the cache.
    Stored,
}

impl Source {
    /// A dense f32 matrix `[rows, cols]`, row-major.
    pub fn from_f32(values: &[f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix of {rows}x{cols} holds {} values", rows * cols);
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self {
            dtype: DType::F32,
            bytes: bytes.into(),
            stored_rows: rows,
            stored_cols: cols,
            rows: None,
            transposed: false,
        }
    }

    /// `(rows, cols)` of the matrix it stands for.
    pub fn shape(&self) -> (usize, usize) {
        let rows = self.rows.as_ref().map_or(self.stored_rows, Vec::len);
        if self.transposed { (self.stored_cols, rows) } else { (rows, self.stored_cols) }
    }

    /// Columns `columns` of row `i` (before transposition) as f32.
    pub(crate) fn read_part(&self, i: usize, columns: Range<usize>, out: &mut [f32]) {
        let row = self.rows.as_ref().map_or(i, |rows| rows[i] as usize);
        let (block, row_bytes) = (self.dtype.block_len(), self.dtype.row_bytes(self.stored_cols));
        let (first, last) = (columns.start / block, columns.end.div_ceil(block));
        let block_bytes = self.dtype.block_bytes();
        let bytes = &self.bytes.as_slice()[row * row_bytes..(row + 1) * row_bytes];
        let bytes = &bytes[first * block_bytes..last * block_bytes];
        if columns.start.is_multiple_of(block) && columns.end.is_multiple_of(block) {
            quant::dequantize(self.dtype, bytes, out);
        } else {
            let mut whole = vec![0.0; (last - first) * block];
            quant::dequantize(self.dtype, bytes, &mut whole);
            out.copy_from_slice(&whole[columns.start - first * block..columns.end - first * block]);
        }
    }

    /// Row `o` of the matrix (after transposition) as f32.
    pub(crate) fn read_matrix_row(&self, o: usize, out: &mut [f32]) {
        if self.transposed {
            for (i, x) in out.iter_mut().enumerate() {
                self.read_part(i, o..o + 1, std::slice::from_mut(x));
            }
        } else {
            self.read_part(o, 0..self.stored_cols, out);
        }
    }

    /// The whole matrix as dense row-major f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let (rows, cols) = self.shape();
        let mut out = vec![0.0; rows * cols];
        for (o, row) in out.chunks_exact_mut(cols.max(1)).enumerate() {
            self.read_matrix_row(o, row);
        }
        out
    }
}

/// A weight matrix `[outs, ins]` held by a backend: `y[r, o] = Σ_i x[r, i] · w[o, i]`.
#[derive(Debug)]
pub struct Matrix {
    /// Output features (rows of the matrix).
    pub outs: usize,
    /// Input features (columns of the matrix).
    pub ins: usize,
    pub(crate) repr: Repr,
}

#[derive(Debug)]
pub(crate) enum Repr {
    /// Row-major `[outs, ins]`, of [`Naive`](crate::Naive).
    Dense(Vec<f64>),
    /// Of [`Cpu`](crate::Cpu).
    Cpu(crate::cpu::Packed),
}
