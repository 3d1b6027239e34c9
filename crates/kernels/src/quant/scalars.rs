//! Plain numbers, one after another.

/// Converts each `N` bytes to one number.
#[inline(always)]
#[allow(clippy::inline_always, reason = "to be compiled for the vectors of the caller")]
pub(super) fn expand<const N: usize>(bytes: &[u8], out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    for (o, b) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *o = number(*b);
    }
}

/// A 16-bit float, exactly. Without branches, so that loops over it become vectors, and without arithmetic on
/// subnormal numbers, which some processors do slowly.
#[inline(always)]
#[allow(clippy::inline_always, reason = "to be compiled for the vectors of the caller")]
pub(super) fn f16(bytes: [u8; 2]) -> f32 {
    /// From bias 15 of the exponent to bias 127.
    const REBIAS: u32 = (127 - 15) << 23;
    /// 2^-14, the unit that subnormals are fractions of.
    const UNIT: u32 = REBIAS + (1 << 23);
    let h = u32::from(u16::from_le_bytes(bytes));
    let magnitude = (h & 0x7fff) << 13;
    let normal = magnitude + REBIAS;
    let subnormal = (f32::from_bits(magnitude + UNIT) - f32::from_bits(UNIT)).to_bits();
    let finite = if h & 0x7c00 == 0 { subnormal } else { normal };
    let special = if h & 0x7c00 == 0x7c00 { REBIAS } else { 0 };
    f32::from_bits((finite + special) | (h & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_is_exact() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (f16(bits.to_le_bytes()), half::f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()), "{bits:#06x}");
        }
    }
}
