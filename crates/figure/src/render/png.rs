//! PNG: the SVG drawn by resvg with the bundled fonts, so that it looks the same on every machine.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::svg::{covered, files, has, svg};
use crate::figure::Figure;
use crate::kind::text::Text;

/// Pixels per unit of the SVG, so that prints and dense screens are sharp.
const SCALE: f32 = 2.0;
/// Pixels of a picture at most: 256 MB while it is drawn. Larger figures are drawn smaller.
const MOST_PIXELS: f32 = 64.0e6;
const MOST_SIDE: f32 = 16_384.0;

/// The figure as a PNG picture on a light background, with two pixels per unit of the SVG.
///
/// Characters that the bundled fonts lack (Chinese, Japanese, Korean, emoji, ...) are drawn with the
/// machine's fonts, where it has any, else as boxes. A figure with more parts than can be drawn becomes a picture that
/// says so.
pub fn png(figure: &Figure) -> Vec<u8> {
    draw(&svg(figure)).unwrap_or_else(|reason| {
        let body =
            format!("This figure cannot be drawn as a picture ({reason}). Its JSON and CSV forms hold all of it.");
        draw(&svg(&Text::new(body).into())).unwrap_or_default()
    })
}

static BUNDLED: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| Arc::new(bundled()));
static WITH_SYSTEM: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = bundled();
    fonts.load_system_fonts();
    Arc::new(fonts)
});

fn bundled() -> fontdb::Database {
    let mut fonts = fontdb::Database::new();
    for file in files() {
        fonts.load_font_source(fontdb::Source::Binary(Arc::new(file)));
    }
    fonts.set_sans_serif_family("Inter");
    fonts.set_monospace_family("JetBrains Mono");
    fonts
}

/// Whether any font of a database has a character. One that none has would leave no mark at all.
fn anywhere(fonts: &fontdb::Database, c: char) -> bool {
    fonts.faces().any(|face| fonts.with_face_data(face.id, |data, index| has(data, index, c)).unwrap_or(false))
}

fn draw(svg: &str) -> Result<Vec<u8>, String> {
    // Reading the machine's fonts takes long, and most figures need none.
    let missing: BTreeSet<char> = svg.chars().filter(|&c| !covered(c)).collect();
    let fontdb = if missing.is_empty() { &BUNDLED } else { &WITH_SYSTEM };
    let nowhere: Vec<char> = missing.into_iter().filter(|&c| !anywhere(fontdb, c)).collect();
    let svg = &if nowhere.is_empty() { Cow::Borrowed(svg) } else { Cow::Owned(svg.replace(&nowhere[..], "□")) };
    let options = Options { font_family: "Inter".to_owned(), fontdb: Arc::clone(fontdb), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = SCALE.min(MOST_SIDE / width.max(height)).min((MOST_PIXELS / (width * height)).sqrt());
    let pixels = |length: f32| ((length * scale).ceil() as u32).max(1);
    let mut pixmap = Pixmap::new(pixels(width), pixels(height)).ok_or("it is too large")?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(png: &[u8]) -> (u32, u32) {
        let decoder = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        (decoder.info().width, decoder.info().height)
    }

    #[test]
    fn text_leaves_ink_on_the_page() {
        let blank = png(&Text::new("").into());
        let written = png(&Text::new("Ink").into());
        assert!(written.len() > blank.len());
        let (wide, high) = size(&written);
        assert!(wide > 80 && high > 80);
        assert_eq!(size(&png(&Text::new("東京").into())).1, high);
        assert!(png(&Text::new("\u{20000}").into()).len() > blank.len(), "a character that no font has leaves a box");
    }

    #[test]
    fn what_is_no_svg_is_an_error_and_large_pages_shrink() {
        assert!(draw("<svg>").is_err());
        let page = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100000\" height=\"10\"/>";
        assert_eq!(size(&draw(page).unwrap()).0, 16_384);
    }
}
