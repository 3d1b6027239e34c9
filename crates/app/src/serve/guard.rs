//! Who may ask: this machine's own browser, with the token, from the page itself.
//!
//! The server listens on the loopback address only. That alone keeps out neither a page of another origin nor a name
//! that was made to mean 127.0.0.1 (DNS rebinding); what does is that `Host` must be this machine's own name, that an
//! `Origin` must be the page's, and that every request carries a cookie which only the address that was printed brings.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::routes::Refusal;

/// The right to ask.
pub(super) struct Guard {
    token: String,
    cookie: String,
}

/// Bytes of a token; it is written in hexadecimal digits.
const TOKEN_BYTES: usize = 24;

/// What every answer carries.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

impl Guard {
    /// For a server on this port. Cookies are shared by all ports of a host, so the name has the port in it.
    pub(super) fn new(port: u16, token: String) -> Self {
        Self { token, cookie: format!("pellucid-{port}") }
    }

    /// The token, for the address that is printed.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn is_token(&self, given: &str) -> bool {
        // All bytes are compared, so that time tells nothing of where they differ.
        let differ = given.bytes().zip(self.token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == self.token.len() && differ == 0
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie && self.is_token(value))
    }

    /// The answer to the address that was printed: the token goes into the cookie and leaves the address.
    fn admit(&self, headers: &HeaderMap) -> Response {
        let cookie =
            [(header::SET_COOKIE, format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.token))];
        // A strict cookie does not go along when another site's link is redirected; it does when our own page leads on.
        if is_from_another_site(headers) {
            return (cookie, Html("<!doctype html><meta http-equiv=\"refresh\" content=\"0; url=/\">")).into_response();
        }
        (StatusCode::SEE_OTHER, cookie, [(header::LOCATION, "/")]).into_response()
    }

    /// Why a request is refused, if it is.
    fn refuse(&self, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        let host = text(header::HOST).unwrap_or("");
        if !is_loopback(host) {
            let why = format!("`{host}` is not a name of this machine: open the address that `pellucid open` printed");
            return Some(Refusal::new(StatusCode::MISDIRECTED_REQUEST, why));
        }
        let foreign = text(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}"));
        // The address that was printed may be followed from anywhere, as people do who keep notes.
        let sent_by_another = is_from_another_site(headers)
            && !(uri.path() == "/" && text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate"));
        if foreign || sent_by_another {
            return Some(Refusal::new(
                StatusCode::FORBIDDEN,
                "a page of another origin may not ask this server".into(),
            ));
        }
        (uri.path() != "/healthz" && !self.has_cookie(headers)).then(|| {
            let why = "the token is missing: open the address that `pellucid open` printed";
            Refusal::new(StatusCode::UNAUTHORIZED, why.into())
        })
    }
}

/// Digits that nobody can guess.
pub(super) fn random_digits() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers to be had: {error}"))?;
    Ok(store::digest::hex(&bytes))
}

/// The token of a folder of answers: the one that lies there, so that a page outlives a restart of its server; a new one
/// where none does, or where others than the user could have read it.
pub(super) fn token_of(folder: &Path) -> Result<String> {
    let path = folder.join(".token");
    let known = fs::read_to_string(&path).unwrap_or_default();
    let is_token = known.len() == 2 * TOKEN_BYTES && known.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_token && is_private(&path) {
        return Ok(known);
    }
    let token = random_digits()?;
    let why = || format!("{}: the token cannot be kept; name another folder with --cache DIR", path.display());
    // Private from the first byte: files of this kind are made readable to their owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(why)?;
    file.write_all(token.as_bytes()).with_context(why)?;
    file.persist(&path).with_context(why)?;
    Ok(token)
}

/// Whether nobody but the owner may do anything with a file: the six lowest bits of its mode are for others.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|file| file.mode().trailing_zeros() >= 6)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

/// Whether a page of another site sent the browser here.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Whether `Host` names this machine, on whatever port: with `ssh -L` it is another than the server's.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// The layer around all routes.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let given = uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("token="));
    let mut response = match guard.refuse(uri, headers) {
        Some(refusal) if refusal.status == StatusCode::UNAUTHORIZED && given.is_some_and(|t| guard.is_token(t)) => {
            guard.admit(headers)
        }
        Some(refusal) if uri.path() == "/" => refusal.page(),
        Some(refusal) => refusal.into_response(),
        None if given.is_some() && uri.path() == "/" => guard.admit(headers),
        None => next.run(request).await,
    };
    for &(name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// An answer of bytes that will never be others.
pub(super) fn immutable(content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
    (headers, body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        guard.refuse(&path.parse().unwrap(), &map).map_or(200, |refusal| refusal.status.as_u16())
    }

    #[test]
    fn names_origins_and_cookies() {
        let guard = Guard::new(8000, random_digits().unwrap());
        let cookie = format!("theme=dark; pellucid-8000={}", guard.token());
        let with = |host: &str, more: &[(&str, &str)]| {
            status(&guard, "/api/state", &[&[("host", host), ("cookie", &cookie)], more].concat())
        };
        for host in ["127.0.0.1:8000", "localhost:9999", "localhost", "[::1]:8000"] {
            assert_eq!(with(host, &[]), 200, "{host}");
        }
        for host in ["evil.example:8000", "127.0.0.1.evil.example", "", "localhost:8000:evil", "localhost.:80"] {
            assert_eq!(with(host, &[]), 421, "{host}");
        }
        assert_eq!(with("localhost:8000", &[("origin", "http://localhost:8000")]), 200);
        for origin in ["http://evil.example", "http://localhost:8001", "https://localhost:8000", "null"] {
            assert_eq!(with("localhost:8000", &[("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(with("localhost:8000", &[("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(with("localhost:8000", &[("sec-fetch-site", "same-origin")]), 200);
        for wrong in ["", "pellucid-8000=", "pellucid-8001=x", &cookie[..cookie.len() - 1], &format!("{cookie}0")] {
            assert_eq!(status(&guard, "/", &[("host", "localhost"), ("cookie", wrong)]), 401, "{wrong}");
        }
        assert_eq!(status(&guard, "/healthz", &[("host", "localhost")]), 200);
    }

    #[test]
    fn a_folder_keeps_its_token_unless_others_could_have_read_it() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| token_of(folder.path()).unwrap());
        assert!(one != other && one.len() == 48);
        assert_eq!(token_of(folders[0].path()).unwrap(), one);
        let file = folders[0].path().join(".token");
        assert!(is_private(&file));
        fs::write(&file, "short").unwrap();
        assert_ne!(token_of(folders[0].path()).unwrap(), "short");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let file = folders[1].path().join(".token");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            assert_ne!(token_of(folders[1].path()).unwrap(), other, "anybody could have read that one");
        }
    }
}
