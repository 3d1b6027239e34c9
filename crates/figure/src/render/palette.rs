//! Colours: the three colour maps as small tables, category colours, and which ink reads on them.

use crate::colour::ColourMap;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// Viridis at eighths: dark to bright in perceptually even steps, safe for colour-blind readers and in
/// grey (Smith and van der Walt, matplotlib 2.0).
const SEQUENTIAL: [Rgb; 9] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x47, 0x2d, 0x7b),
    Rgb(0x3b, 0x52, 0x8b),
    Rgb(0x2c, 0x72, 0x8e),
    Rgb(0x21, 0x91, 0x8c),
    Rgb(0x28, 0xae, 0x80),
    Rgb(0x5e, 0xc9, 0x62),
    Rgb(0xad, 0xdc, 0x30),
    Rgb(0xfd, 0xe7, 0x25),
];

/// White to a blue on which white ink still reads.
const TINT: [Rgb; 6] = [
    Rgb(0xff, 0xff, 0xff),
    Rgb(0xdf, 0xec, 0xf8),
    Rgb(0xb7, 0xd5, 0xee),
    Rgb(0x7f, 0xb6, 0xdf),
    Rgb(0x43, 0x8f, 0xc9),
    Rgb(0x1c, 0x62, 0xa8),
];

/// Near-black to a bright blue: the tint of a dark page.
const TINT_DARK: [Rgb; 6] = [
    Rgb(0x14, 0x1a, 0x22),
    Rgb(0x17, 0x2d, 0x45),
    Rgb(0x1b, 0x48, 0x75),
    Rgb(0x22, 0x69, 0xac),
    Rgb(0x43, 0x97, 0xdc),
    Rgb(0x96, 0xcb, 0xf7),
];

/// Blue through near-white to red, equally dark on both sides.
const DIVERGING: [Rgb; 9] = [
    Rgb(0x12, 0x3f, 0x7e),
    Rgb(0x2c, 0x72, 0xb3),
    Rgb(0x6b, 0xa8, 0xd3),
    Rgb(0xba, 0xd7, 0xea),
    Rgb(0xf8, 0xf8, 0xf8),
    Rgb(0xf8, 0xcb, 0xb5),
    Rgb(0xe7, 0x8d, 0x73),
    Rgb(0xc4, 0x42, 0x40),
    Rgb(0x86, 0x10, 0x28),
];

/// Colours of categories (Okabe and Ito 2008), the yellow last because it is faint on white.
pub(crate) const CATEGORIES: [Rgb; 8] = [
    Rgb(0x00, 0x72, 0xb2),
    Rgb(0xd5, 0x5e, 0x00),
    Rgb(0x00, 0x9e, 0x73),
    Rgb(0xcc, 0x79, 0xa7),
    Rgb(0xe6, 0x9f, 0x00),
    Rgb(0x56, 0xb4, 0xe9),
    Rgb(0x66, 0x66, 0x66),
    Rgb(0xd9, 0xc8, 0x14),
];

/// The colour of a category, in turn.
pub(crate) fn category(i: usize) -> Rgb {
    CATEGORIES[i % CATEGORIES.len()]
}

/// The colour at `t` from 0 to 1 along a map, on a light page. Outside is the nearer end; NaN is grey.
pub(crate) fn at(map: ColourMap, t: f64) -> Rgb {
    along(table(map, false), t)
}

/// The colour at `t` along a map, on a dark page.
pub(crate) fn at_on_dark(map: ColourMap, t: f64) -> Rgb {
    along(table(map, true), t)
}

/// The colours at even steps along a map, between which it is linear.
pub(crate) fn table(map: ColourMap, dark: bool) -> &'static [Rgb] {
    match map {
        ColourMap::Sequential => &SEQUENTIAL,
        ColourMap::Tint if dark => &TINT_DARK,
        ColourMap::Tint => &TINT,
        ColourMap::Diverging => &DIVERGING,
    }
}

/// Not a number.
pub(crate) const MISSING: Rgb = Rgb(0xb8, 0xb8, 0xb8);

fn along(table: &[Rgb], t: f64) -> Rgb {
    if t.is_nan() {
        return MISSING;
    }
    let place = t.clamp(0.0, 1.0) * (table.len() - 1) as f64;
    let below = (place.floor() as usize).min(table.len() - 2);
    table[below].mix(table[below + 1], place - below as f64)
}

impl Rgb {
    /// This colour with a share `t` of the other, mixed in sRGB.
    pub(crate) fn mix(self, other: Rgb, t: f64) -> Rgb {
        let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round() as u8;
        Rgb(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }

    /// `#rrggbb`.
    pub(crate) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// Relative luminance from 0 (black) to 1 (white), as WCAG 2 defines it.
    pub(crate) fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// Near-black or white, whichever has more contrast with this colour (WCAG 2 contrast ratio).
    pub(crate) fn ink(self) -> Rgb {
        let (dark, light) = (Rgb(0x16, 0x1b, 0x22), Rgb(0xff, 0xff, 0xff));
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        let own = self.luminance();
        if contrast(own, dark.luminance()) >= contrast(own, light.luminance()) { dark } else { light }
    }
}

/// Where a value lies between two ends, 0 to 1; NaN for NaN.
pub(crate) fn share(value: f64, [low, high]: [f64; 2]) -> f64 {
    if value.is_nan() { f64::NAN } else { ((value - low) / (high - low)).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: [ColourMap; 3] = [ColourMap::Sequential, ColourMap::Tint, ColourMap::Diverging];

    #[test]
    fn ink_reads_on_every_colour_of_every_map() {
        for dark in [false, true] {
            for map in MAPS {
                for i in 0..=200 {
                    let ground = along(table(map, dark), f64::from(i) / 200.0);
                    let (a, b) = (ground.luminance(), ground.ink().luminance());
                    // The worst ground for black-or-white ink has a contrast of about 4.4.
                    assert!((a.max(b) + 0.05) / (a.min(b) + 0.05) >= 4.0, "{map:?} {i} {}", ground.hex());
                }
            }
        }
    }

    #[test]
    fn the_sequential_map_brightens_and_the_diverging_one_is_symmetric() {
        let luminance = |map, i: u32| at(map, f64::from(i) / 100.0).luminance();
        for i in 0..100 {
            assert!(luminance(ColourMap::Sequential, i) < luminance(ColourMap::Sequential, i + 1));
            assert!(luminance(ColourMap::Tint, i) > luminance(ColourMap::Tint, i + 1));
        }
        for i in 0..50 {
            let (low, high) = (luminance(ColourMap::Diverging, i), luminance(ColourMap::Diverging, 100 - i));
            assert!((low - high).abs() < 0.09, "{i}: {low} {high}");
            assert!(low < luminance(ColourMap::Diverging, i + 1));
        }
    }

    #[test]
    fn odd_places_have_colours_too() {
        assert_eq!(at(ColourMap::Sequential, -3.0), SEQUENTIAL[0]);
        assert_eq!(at(ColourMap::Sequential, f64::INFINITY), SEQUENTIAL[8]);
        assert_eq!(at(ColourMap::Diverging, f64::NAN), MISSING);
        assert_eq!(share(f64::NEG_INFINITY, [0.0, 1.0]), 0.0);
    }
}
