//! The innermost loop of every product: a tile of up to 8 rows and 48 columns whose sums stay in registers.
//!
//! Each sum is one chain of fused multiply-adds along the depth, whatever the tile's size and the width of the
//! vectors, so that all of them give the same bits.

use super::isa::Isa;

/// Rows a tile has at most.
pub(super) const ROWS: usize = 8;
/// Columns a tile has at most, and those of a panel of packed weights. It divides the widths that models have.
pub(super) const COLUMNS: usize = 48;
/// Columns a tile has a multiple of.
pub(super) const COLUMN_STEP: usize = 16;

/// `out[r][c] = start[c] + Σ_k left[r][k] · right[k][c]`, or with `add` that sum added to what `out` holds.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// 1 to [`ROWS`].
    pub(super) rows: usize,
    /// A multiple of [`COLUMN_STEP`] up to [`COLUMNS`].
    pub(super) columns: usize,
    /// Terms of each sum.
    pub(super) depth: usize,
    pub(super) left: *const f32,
    /// From a row of `left` to the next.
    pub(super) left_row: usize,
    /// From a term of `left` to the next.
    pub(super) left_step: usize,
    pub(super) right: *const f32,
    /// From a term of `right` to the next.
    pub(super) right_step: usize,
    pub(super) start: *const f32,
    pub(super) out: *mut f32,
    /// From a row of `out` to the next.
    pub(super) out_row: usize,
    pub(super) add: bool,
}

impl Tile {
    /// Computes it.
    ///
    /// # Safety
    /// Every element that the formula names must be readable, those of `out` writable by nobody else.
    pub(super) unsafe fn run(self, isa: Isa) {
        debug_assert!((1..=ROWS).contains(&self.rows));
        debug_assert!(self.columns <= COLUMNS && self.columns.is_multiple_of(COLUMN_STEP));
        // SAFETY: `Isa` proves that the processor has the instructions; the rest is the caller's promise.
        unsafe {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => avx512(self),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => avx2(self),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => cut::<std::arch::aarch64::float32x4_t, 4, 4>(self),
                Isa::Scalar => cut::<f32, 4, 4>(self),
            }
        }
    }
}

/// A vector of f32.
trait Vector: Copy {
    const LANES: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    /// self · b + c, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
}

macro_rules! vector {
    ($name:ty, $lanes:expr, $splat:expr, $load:expr, $store:expr, $add:expr, $mul_add:expr) => {
        #[allow(clippy::inline_always, reason = "they must become part of a function with the vectors' features")]
        #[allow(unused_unsafe, reason = "those of plain f32 are safe")]
        impl Vector for $name {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: called only where the features are enabled.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above; the caller promises that the elements are readable.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above; the caller promises that the elements are writable.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: called only where the features are enabled.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: called only where the features are enabled.
                unsafe { $mul_add(self, b, c) }
            }
        }
    };
}

vector!(f32, 1, std::convert::identity, std::ptr::read, std::ptr::write, std::ops::Add::add, f32::mul_add);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::Vector;

    vector!(__m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps);
    vector!(__m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vst1q_f32};

    use super::Vector;

    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 processor of the supported targets has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }
    vector!(float32x4_t, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, mul_add);
}

/// 8 x 48: 24 sums, 3 vectors of `right` and one of `left` in 32 registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn avx512(tile: Tile) {
    // SAFETY: the features are enabled here; the rest is the caller's promise.
    unsafe { cut::<std::arch::x86_64::__m512, 8, 3>(tile) }
}

/// 4 x 24: 12 sums, 3 vectors of `right` and one of `left` in 16 registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(tile: Tile) {
    // SAFETY: the features are enabled here; the rest is the caller's promise.
    unsafe { cut::<std::arch::x86_64::__m256, 4, 3>(tile) }
}

/// Cuts a tile into such as fit in registers: at most `R` rows and `N` vectors.
#[inline(always)]
#[allow(clippy::inline_always, reason = "it must become part of a function with the vectors' features")]
unsafe fn cut<V: Vector, const R: usize, const N: usize>(tile: Tile) {
    let mut row = 0;
    while row < tile.rows {
        let rows = R.min(tile.rows - row);
        let mut column = 0;
        while column < tile.columns {
            let vectors = N.min((tile.columns - column) / V::LANES);
            // SAFETY: the offsets stay inside the tile.
            unsafe {
                let left = tile.left.add(row * tile.left_row);
                let right = tile.right.add(column);
                let start = tile.start.add(column);
                let out = tile.out.add(row * tile.out_row + column);
                let part = Tile { left, right, start, out, ..tile };
                match vectors {
                    1 => of_rows::<V, 1>(part, rows),
                    2 => of_rows::<V, 2>(part, rows),
                    3 => of_rows::<V, 3>(part, rows),
                    _ => of_rows::<V, 4>(part, rows),
                }
            }
            column += vectors * V::LANES;
        }
        row += rows;
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "it must become part of a function with the vectors' features")]
unsafe fn of_rows<V: Vector, const N: usize>(tile: Tile, rows: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match rows {
            1 => sums::<V, 1, N>(tile),
            2 => sums::<V, 2, N>(tile),
            3 => sums::<V, 3, N>(tile),
            4 => sums::<V, 4, N>(tile),
            5 => sums::<V, 5, N>(tile),
            6 => sums::<V, 6, N>(tile),
            7 => sums::<V, 7, N>(tile),
            _ => sums::<V, 8, N>(tile),
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "it must become part of a function with the vectors' features")]
unsafe fn sums<V: Vector, const R: usize, const N: usize>(tile: Tile) {
    // SAFETY: `R` rows and `N` vectors of columns are inside the tile, whose elements the caller promises.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; R];
        for n in 0..N {
            let start = V::load(tile.start.add(n * V::LANES));
            for row in &mut sums {
                row[n] = start;
            }
        }
        let (mut left, mut right) = (tile.left, tile.right);
        for _ in 0..tile.depth {
            let mut columns = [V::splat(0.0); N];
            for (n, column) in columns.iter_mut().enumerate() {
                *column = V::load(right.add(n * V::LANES));
            }
            for (r, row) in sums.iter_mut().enumerate() {
                let x = V::splat(*left.add(r * tile.left_row));
                for n in 0..N {
                    row[n] = x.mul_add(columns[n], row[n]);
                }
            }
            left = left.wrapping_add(tile.left_step);
            right = right.wrapping_add(tile.right_step);
        }
        for (r, row) in sums.iter().enumerate() {
            for (n, &sum) in row.iter().enumerate() {
                let out = tile.out.add(r * tile.out_row + n * V::LANES);
                let sum = if tile.add { V::load(out).add(sum) } else { sum };
                sum.store(out);
            }
        }
    }
}
