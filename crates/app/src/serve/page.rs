//! The page: files of `web/dist`, inside the program.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::guard::immutable;

/// What `build.rs` found: the built page, or one that says how to build it.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Page;

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

/// A file of the page.
pub(super) async fn file(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(found) = Page::get(path) else { return StatusCode::NOT_FOUND.into_response() };
    let bytes = found.data.into_owned();
    // Names under assets/ have a digest of their content in them.
    if path.starts_with("assets/") {
        return immutable(content_type(path), bytes);
    }
    ([(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, "no-cache")], bytes).into_response()
}
