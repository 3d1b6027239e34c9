//! HTML: one file that works without a network, the SVG with exact values on hover.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::svg::{Hot, drawing};
use crate::figure::Figure;
use crate::visible::visible;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The figure as one HTML page that asks for nothing outside itself, follows the reader's dark or light
/// mode, and tells exact values where the pointer is.
///
/// Its content security policy allows only the page's own style and script, by their digests. Text of
/// the figure is in the SVG, escaped, and in a block of JSON that the script reads and shows through
/// `textContent`.
pub fn html(figure: &Figure) -> String {
    let (svg, hot) = drawing(figure);
    let about = figure.about();
    let title = if about.title.is_empty() { figure.kind().to_owned() } else { visible(&about.title) };
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src '{}'; script-src '{}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{svg}</main>\n<div id=\"tip\" role=\"status\" hidden></div>\n\
         <script id=\"hot\" type=\"application/json\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        digest(STYLE),
        digest(SCRIPT),
        data(&hot)
    )
}

/// A digest as content security policies name it.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON that can stand inside a script element: no character in it can end or open markup.
fn data(hot: &[Hot]) -> String {
    let json = serde_json::to_string(hot).unwrap_or_else(|_| "[]".to_owned());
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;

    #[test]
    fn hostile_tokens_stay_text() {
        let hostile = "</script><script>alert(1)</script><!--";
        let page = html(&Tokens::new([hostile]).values(vec![1.0]).title(hostile).details([hostile]).into());
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("<!--") && !page.contains("alert(1)</"));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_is_parsed_as_markup() {
        for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "http"] {
            assert!(!SCRIPT.replace("http://www.w3.org/2000/svg", "").contains(word), "{word}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
