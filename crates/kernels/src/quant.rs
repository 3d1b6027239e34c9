//! Encodings of stored weights, and their expansion to f32.
//!
//! The block formats are those of GGUF files; what each block holds is drawn in `blocks` and `super_blocks`.
//! Expansion gives the bits that the `gguf` Python package gives (`tests/golden/quant`, made by
//! `scripts/make_quant_goldens.py`): one multiplication and at most one addition for each element, never fused.

mod blocks;
mod scalars;
mod super_blocks;

/// How the elements of a stored matrix are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "the names that files and their users know")]
pub enum DType {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// Signed whole numbers of 64 bits; those beyond 2^24 are rounded.
    I64,
    /// Signed whole numbers of 32 bits; those beyond 2^24 are rounded.
    I32,
    /// Signed whole numbers of 16 bits.
    I16,
    /// Signed whole numbers of 8 bits.
    I8,
    /// Unsigned whole numbers of 8 bits, and truth values.
    U8,
    /// 32 elements of 4 bits, one scale.
    Q4_0,
    /// 32 elements of 4 bits, scale and minimum.
    Q4_1,
    /// 32 elements of 5 bits, one scale.
    Q5_0,
    /// 32 elements of 5 bits, scale and minimum.
    Q5_1,
    /// 32 elements of 8 bits, one scale.
    Q8_0,
    /// 256 elements of 2 bits; scale and minimum of 4 bits for each 16.
    Q2_K,
    /// 256 elements of 3 bits; a scale of 6 bits for each 16.
    Q3_K,
    /// 256 elements of 4 bits; scale and minimum of 6 bits for each 32.
    Q4_K,
    /// 256 elements of 5 bits; scale and minimum of 6 bits for each 32.
    Q5_K,
    /// 256 elements of 6 bits; a scale of 8 bits for each 16.
    Q6_K,
}

/// Each encoding: name, elements in a block, bytes of a block, number in GGUF files.
const TABLE: [(DType, &str, usize, usize, u32); 19] = [
    (DType::F64, "F64", 1, 8, 28),
    (DType::F32, "F32", 1, 4, 0),
    (DType::F16, "F16", 1, 2, 1),
    (DType::BF16, "BF16", 1, 2, 30),
    (DType::I64, "I64", 1, 8, 27),
    (DType::I32, "I32", 1, 4, 26),
    (DType::I16, "I16", 1, 2, 25),
    (DType::I8, "I8", 1, 1, 24),
    (DType::U8, "U8", 1, 1, u32::MAX),
    (DType::Q4_0, "Q4_0", 32, 18, 2),
    (DType::Q4_1, "Q4_1", 32, 20, 3),
    (DType::Q5_0, "Q5_0", 32, 22, 6),
    (DType::Q5_1, "Q5_1", 32, 24, 7),
    (DType::Q8_0, "Q8_0", 32, 34, 8),
    (DType::Q2_K, "Q2_K", 256, 84, 10),
    (DType::Q3_K, "Q3_K", 256, 110, 11),
    (DType::Q4_K, "Q4_K", 256, 144, 12),
    (DType::Q5_K, "Q5_K", 256, 176, 13),
    (DType::Q6_K, "Q6_K", 256, 210, 14),
];

impl DType {
    /// Every encoding.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// As files and people call it: `Q4_1`.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Elements in a block, the unit that can be expanded by itself; 1 for plain numbers.
    pub fn block_len(self) -> usize {
        TABLE[self as usize].2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        TABLE[self as usize].3
    }

    /// Bytes of a row of `cols` elements, which must be whole blocks.
    pub fn row_bytes(self, cols: usize) -> usize {
        debug_assert_eq!(cols % self.block_len(), 0, "a row of {} is whole blocks", self.name());
        cols / self.block_len() * self.block_bytes()
    }

    /// By its number in GGUF files (`ggml_type`); `None` for those that cannot be expanded here.
    pub fn from_ggml(number: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.4 == number && number != u32::MAX).map(|row| row.0)
    }

    /// By its name in safetensors files; `None` for those that cannot be expanded here.
    pub fn from_safetensors(name: &str) -> Option<Self> {
        match name {
            "BOOL" => Some(Self::U8),
            _ => TABLE.iter().find(|row| row.1 == name && row.2 == 1).map(|row| row.0),
        }
    }
}

/// Expands `bytes` into `out`, whole blocks of `dtype`. Panics unless `bytes` is what `out` elements take.
pub fn dequantize(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(out.len() % dtype.block_len(), 0, "{} elements are not whole blocks of {}", out.len(), dtype.name());
    assert_eq!(bytes.len(), dtype.row_bytes(out.len()), "bytes of {} elements as {}", out.len(), dtype.name());
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just asked for AVX2.
        return unsafe { expand_avx2(dtype, bytes, out) };
    }
    expand(dtype, bytes, out);
}

/// [`expand`], compiled for wider vectors. Its arithmetic is the same: Rust fuses and reorders nothing.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn expand_avx2(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    expand(dtype, bytes, out);
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "it must be compiled anew inside expand_avx2")]
fn expand(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        DType::F64 => scalars::expand(bytes, out, |b| f64::from_le_bytes(b) as f32),
        DType::F32 => scalars::expand(bytes, out, f32::from_le_bytes),
        DType::F16 => scalars::expand(bytes, out, scalars::f16),
        DType::BF16 => scalars::expand(bytes, out, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        DType::I64 => scalars::expand(bytes, out, |b| i64::from_le_bytes(b) as f32),
        DType::I32 => scalars::expand(bytes, out, |b| i32::from_le_bytes(b) as f32),
        DType::I16 => scalars::expand(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
        DType::I8 => scalars::expand(bytes, out, |b| f32::from(i8::from_le_bytes(b))),
        DType::U8 => scalars::expand(bytes, out, |[b]| f32::from(b)),
        DType::Q4_0 => blocks::q4_0(bytes, out),
        DType::Q4_1 => blocks::q4_1(bytes, out),
        DType::Q5_0 => blocks::q5_0(bytes, out),
        DType::Q5_1 => blocks::q5_1(bytes, out),
        DType::Q8_0 => blocks::q8_0(bytes, out),
        DType::Q2_K => super_blocks::q2(bytes, out),
        DType::Q3_K => super_blocks::q3(bytes, out),
        DType::Q4_K => super_blocks::q4(bytes, out),
        DType::Q5_K => super_blocks::q5(bytes, out),
        DType::Q6_K => super_blocks::q6(bytes, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_variants() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, i);
            assert_eq!(format!("{:?}", row.0), row.1);
        }
    }

    #[test]
    fn names_and_numbers_find_their_encoding() {
        for dtype in DType::all() {
            let number = TABLE[dtype as usize].4;
            assert_eq!(DType::from_ggml(number), (dtype != DType::U8).then_some(dtype));
            assert_eq!(DType::from_safetensors(dtype.name()), (dtype.block_len() == 1).then_some(dtype));
        }
        assert_eq!(DType::from_safetensors("BOOL"), Some(DType::U8));
        assert_eq!(DType::from_safetensors("F8_E4M3"), None);
        assert_eq!(DType::from_ggml(16), None);
    }

    /// The two ways of compiling the same loops, on random bytes.
    #[test]
    fn wide_vectors_change_no_bit() {
        let mut state = 1_u64;
        for dtype in DType::all() {
            let mut bytes = vec![0; dtype.row_bytes(1024)];
            bytes.fill_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            });
            let (mut plain, mut chosen) = (vec![0.0; 1024], vec![0.0; 1024]);
            expand(dtype, &bytes, &mut plain);
            dequantize(dtype, &bytes, &mut chosen);
            for (a, b) in plain.iter().zip(&chosen) {
                assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{}: {a} {b}", dtype.name());
            }
        }
    }
}
