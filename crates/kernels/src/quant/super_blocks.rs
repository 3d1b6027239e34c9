//! Super-blocks of 256 elements ("K-quants"): sub-blocks of 16 or 32 elements, whose own scales (and minima) are small
//! whole numbers times a scale `d` (and `e`, for minima) of the super-block.
//!
//! ```text
//! Q2_K  s:[u8; 16]  q:[u8; 64]  d:f16  e:f16                        d·(s & 15)·q - e·(s >> 4)
//! Q3_K  h:[u8; 32]  q:[u8; 64]  s:[u8; 12]  d:f16                   d·(s - 32)·(q - 4 where the bit of h is 0)
//! Q4_K  d:f16  e:f16  s:[u8; 12]  q:[u8; 128]                       d·s·q - e·m
//! Q5_K  d:f16  e:f16  s:[u8; 12]  h:[u8; 32]  q:[u8; 128]           d·s·q - e·m, h is the fifth bit
//! Q6_K  q:[u8; 128]  h:[u8; 64]  s:[i8; 16]  d:f16                  d·s·(q - 32), h are bits five and six
//! ```
//!
//! Elements are taken 32 at a time, from 32 neighbouring bytes at one position of bits.
#![allow(clippy::inline_always, reason = "to be compiled for the vectors of the caller")]

use super::scalars::f16;

const LEN: usize = 256;

/// Calls `one` with each super-block of `BYTES` bytes and its elements, in eight runs of 32.
#[inline(always)]
fn each<const BYTES: usize>(bytes: &[u8], out: &mut [f32], one: impl Fn(&[u8; BYTES], &mut [[f32; 32]])) {
    for (b, o) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<LEN>().0) {
        one(b, o.as_chunks_mut::<32>().0);
    }
}

/// `N` bytes from a place that the layout of a block fixes.
#[inline(always)]
fn part<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("layouts fit their blocks")
}

#[inline(always)]
pub(super) fn q2(bytes: &[u8], out: &mut [f32]) {
    each::<84>(bytes, out, |b, o| {
        let (s, d, e) = (part::<16>(b, 0), f16(*part(b, 80)), f16(*part(b, 82)));
        for (run, o) in o.iter_mut().enumerate() {
            let q = part::<32>(b, 16 + run / 4 * 32);
            for (sub, o) in o.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let s = s[2 * run + sub];
                let (scale, min) = (d * f32::from(s & 15), e * f32::from(s >> 4));
                for (o, q) in o.iter_mut().zip(part::<16>(q, 16 * sub)) {
                    *o = scale * f32::from(q >> (run % 4 * 2) & 3) - min;
                }
            }
        }
    });
}

#[inline(always)]
pub(super) fn q3(bytes: &[u8], out: &mut [f32]) {
    each::<110>(bytes, out, |b, o| {
        let (h, s, d) = (part::<32>(b, 0), part::<12>(b, 96), f16(*part(b, 108)));
        for (run, o) in o.iter_mut().enumerate() {
            let q = part::<32>(b, 32 + run / 4 * 32);
            for (sub, o) in o.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                // The low four bits of the 16 scales fill eight bytes, the high two bits the other four.
                let k = 2 * run + sub;
                let scale = (s[k % 8] >> (k / 8 * 4) & 15) | (s[8 + k % 4] >> (k / 4 * 2) & 3) << 4;
                let scale = d * (i32::from(scale) - 32) as f32;
                for ((o, q), h) in o.iter_mut().zip(part::<16>(q, 16 * sub)).zip(part::<16>(h, 16 * sub)) {
                    let low = i32::from(q >> (run % 4 * 2) & 3);
                    *o = scale * (low - 4 + i32::from(h >> run & 1) * 4) as f32;
                }
            }
        }
    });
}

#[inline(always)]
pub(super) fn q4(bytes: &[u8], out: &mut [f32]) {
    each::<144>(bytes, out, |b, o| {
        let (d, e) = (f16(*part(b, 0)), f16(*part(b, 2)));
        for (run, o) in o.iter_mut().enumerate() {
            let (scale, min) = six_bits(part(b, 4), run);
            let (scale, min) = (d * scale, e * min);
            for (o, q) in o.iter_mut().zip(part::<32>(b, 16 + run / 2 * 32)) {
                *o = scale * f32::from(q >> (run % 2 * 4) & 15) - min;
            }
        }
    });
}

#[inline(always)]
pub(super) fn q5(bytes: &[u8], out: &mut [f32]) {
    each::<176>(bytes, out, |b, o| {
        let (d, e) = (f16(*part(b, 0)), f16(*part(b, 2)));
        for (run, o) in o.iter_mut().enumerate() {
            let (scale, min) = six_bits(part(b, 4), run);
            let (scale, min) = (d * scale, e * min);
            for ((o, q), h) in o.iter_mut().zip(part::<32>(b, 48 + run / 2 * 32)).zip(part::<32>(b, 16)) {
                *o = scale * f32::from((q >> (run % 2 * 4) & 15) | (h >> run & 1) << 4) - min;
            }
        }
    });
}

/// Scale and minimum of run `k` out of twelve bytes: runs 0 to 3 have their six bits in bytes k and k + 4; runs 4 to 7
/// have the low four in byte k + 4, and the high two above those of runs 0 to 3.
#[inline(always)]
fn six_bits(s: &[u8; 12], k: usize) -> (f32, f32) {
    let (scale, min) = if k < 4 {
        (s[k] & 63, s[k + 4] & 63)
    } else {
        ((s[k + 4] & 15) | s[k - 4] >> 6 << 4, s[k + 4] >> 4 | s[k] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

#[inline(always)]
pub(super) fn q6(bytes: &[u8], out: &mut [f32]) {
    each::<210>(bytes, out, |b, o| {
        let (s, d) = (part::<16>(b, 192), f16(*part(b, 208)));
        for (run, o) in o.iter_mut().enumerate() {
            let (half, k) = (run / 4, run % 4);
            let (q, h) = (part::<32>(b, half * 64 + k % 2 * 32), part::<32>(b, 128 + half * 32));
            for (sub, o) in o.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let scale = d * f32::from(s[2 * run + sub].cast_signed());
                for ((o, q), h) in o.iter_mut().zip(part::<16>(q, 16 * sub)).zip(part::<16>(h, 16 * sub)) {
                    let q = (q >> (k / 2 * 4) & 15) | (h >> (2 * k) & 3) << 4;
                    *o = scale * (i32::from(q) - 32) as f32;
                }
            }
        }
    });
}
