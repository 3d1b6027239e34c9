//! Blocks of 32 elements. Byte i of the packed elements holds element i in its low half and element i + 16 in its high
//! half.
//!
//! ```text
//! Q4_0  d:f16                 q:[u8; 16]   d·(q - 8)
//! Q4_1  d:f16  m:f16          q:[u8; 16]   d·q + m
//! Q5_0  d:f16         h:u32   q:[u8; 16]   d·(q - 16), bit i of h is the fifth bit of element i
//! Q5_1  d:f16  m:f16  h:u32   q:[u8; 16]   d·q + m
//! Q8_0  d:f16                 q:[i8; 32]   d·q
//! ```
#![allow(clippy::inline_always, reason = "to be compiled for the vectors of the caller")]

use super::scalars::f16;

const LEN: usize = 32;

/// Calls `one` with each block of `BYTES` bytes and its 32 elements.
#[inline(always)]
fn each<const BYTES: usize>(bytes: &[u8], out: &mut [f32], one: impl Fn(&[u8; BYTES], &mut [f32; LEN])) {
    for (b, o) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<LEN>().0) {
        one(b, o);
    }
}

#[inline(always)]
pub(super) fn q4_0(bytes: &[u8], out: &mut [f32]) {
    each::<18>(bytes, out, |b, o| {
        let d = f16([b[0], b[1]]);
        for i in 0..16 {
            o[i] = d * (i32::from(b[2 + i] & 15) - 8) as f32;
        }
        for i in 0..16 {
            o[16 + i] = d * (i32::from(b[2 + i] >> 4) - 8) as f32;
        }
    });
}

#[inline(always)]
pub(super) fn q4_1(bytes: &[u8], out: &mut [f32]) {
    each::<20>(bytes, out, |b, o| {
        let (d, m) = (f16([b[0], b[1]]), f16([b[2], b[3]]));
        for i in 0..16 {
            o[i] = d * f32::from(b[4 + i] & 15) + m;
        }
        for i in 0..16 {
            o[16 + i] = d * f32::from(b[4 + i] >> 4) + m;
        }
    });
}

#[inline(always)]
pub(super) fn q5_0(bytes: &[u8], out: &mut [f32]) {
    each::<22>(bytes, out, |b, o| {
        let d = f16([b[0], b[1]]);
        let h = u32::from_le_bytes([b[2], b[3], b[4], b[5]]);
        for i in 0..16 {
            let (low, high) = five_bits(b[6 + i], h, i);
            o[i] = d * (low as i32 - 16) as f32;
            o[16 + i] = d * (high as i32 - 16) as f32;
        }
    });
}

#[inline(always)]
pub(super) fn q5_1(bytes: &[u8], out: &mut [f32]) {
    each::<24>(bytes, out, |b, o| {
        let (d, m) = (f16([b[0], b[1]]), f16([b[2], b[3]]));
        let h = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
        for i in 0..16 {
            let (low, high) = five_bits(b[8 + i], h, i);
            o[i] = d * low as f32 + m;
            o[16 + i] = d * high as f32 + m;
        }
    });
}

/// Elements `i` and `i + 16` of five bits.
#[inline(always)]
fn five_bits(q: u8, h: u32, i: usize) -> (u32, u32) {
    (u32::from(q & 15) | ((h >> i) & 1) << 4, u32::from(q >> 4) | ((h >> (i + 16)) & 1) << 4)
}

#[inline(always)]
pub(super) fn q8_0(bytes: &[u8], out: &mut [f32]) {
    each::<34>(bytes, out, |b, o| {
        let d = f16([b[0], b[1]]);
        for i in 0..LEN {
            o[i] = d * f32::from(b[2 + i].cast_signed());
        }
    });
}
