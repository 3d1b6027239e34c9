//! Rotary positions (Su et al. 2021, arXiv 2104.09864).

use crate::cpu::norm::by_rows;
use crate::cpu::products::rows_of;
use crate::{Buffer, Floats, RopeStyle};

pub(in crate::cpu) fn rope(
    x: &[f32],
    cos: &[f32],
    sin: &[f32],
    heads: usize,
    d_head: usize,
    style: RopeStyle,
    inverse: bool,
) -> Buffer {
    let width = heads * d_head;
    let rows = rows_of(x, width);
    let pairs = cos.len().checked_div(rows).unwrap_or(0);
    assert!(cos.len() == rows * pairs && sin.len() == cos.len(), "an angle for each row and pair");
    assert!(2 * pairs <= d_head || rows == 0, "{pairs} pairs in a head of {d_head}");
    let sign = if inverse { -1.0 } else { 1.0 };
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |first, out| {
        out.copy_from_slice(&x[first * width..][..out.len()]);
        for (r, row) in (first..).zip(out.chunks_exact_mut(width)) {
            let angles = r * pairs..(r + 1) * pairs;
            let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
            for head in row.chunks_exact_mut(d_head) {
                match style {
                    RopeStyle::Halves => {
                        let (a, b) = head[..2 * pairs].split_at_mut(pairs);
                        let angles = cos.iter().zip(sin);
                        a.iter_mut().zip(b).zip(angles).for_each(|((a, b), (&c, &s))| rotate(a, b, c, sign * s));
                    }
                    RopeStyle::Pairs => {
                        let (both, _) = head[..2 * pairs].as_chunks_mut::<2>();
                        let angles = cos.iter().zip(sin);
                        both.iter_mut().zip(angles).for_each(|([a, b], (&c, &s))| rotate(a, b, c, sign * s));
                    }
                }
            }
        }
    });
    out.into()
}

fn rotate(a: &mut f32, b: &mut f32, cos: f32, sin: f32) {
    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
}
