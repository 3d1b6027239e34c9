//! What is asked of the hub, and what its refusals mean.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::Hub;
use super::cache::{Repository, is_folder_name};
use crate::error::shortened;
use crate::{Error, Result};

/// How often something is asked for that does not come, and how long to wait before the second time; then twice as
/// long each time.
pub(super) const TRIES: u32 = 4;
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A hub that does not answer for this long is taken for gone.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(1);

/// No list of files comes near.
const LONGEST_LISTING: u64 = 64 << 20;

/// The hub itself sends on once or twice.
const MOST_REDIRECTS: usize = 8;

/// Why something did not come.
pub(super) enum Trouble {
    /// It may come if asked for again: what happened.
    Passing(String),
    /// It will not.
    Final(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What a repository holds at a revision.
pub(super) struct Listing {
    /// The commit that the revision is now.
    pub(super) commit: String,
    /// Paths of its files.
    pub(super) files: Vec<String>,
}

/// What the hub says about a file before it is fetched.
#[derive(Debug)]
pub(super) struct About {
    /// Its name in the cache; of a large file, the SHA-256 of its bytes.
    pub(super) etag: String,
    /// Its length in bytes, if the hub says.
    pub(super) size: Option<u64>,
}

/// A hub as one repository is asked for.
pub(super) struct Web<'a> {
    hub: &'a Hub,
    pub(super) repository: &'a Repository,
    agent: Agent,
}

#[derive(Deserialize)]
struct ModelInfo {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Web<'a> {
    pub(super) fn new(hub: &'a Hub, repository: &'a Repository) -> Result<Self> {
        if !hub.endpoint.starts_with("https://") && !hub.endpoint.starts_with("http://") {
            let what = shortened(&hub.endpoint);
            return Err(repository.error(format!("HF_ENDPOINT is `{what}`; it should begin with https://")));
        }
        if hub.token.as_ref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(repository.error("the token (HF_TOKEN) holds characters that no token has; set it anew".into()));
        }
        // Certificates are judged as the operating system does, so that those which an administrator added count.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let settings = Agent::config_builder();
        let settings = if is_here(&hub.endpoint) { settings.proxy(None) } else { settings };
        let settings = settings
            .tls_config(tls)
            .user_agent(concat!("pellucid/", env!("CARGO_PKG_VERSION")))
            // What is compressed has another length, and other parts.
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE));
        Ok(Self { hub, repository, agent: settings.build().new_agent() })
    }

    /// Asks until an answer comes, so many times.
    pub(super) fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, Trouble>) -> Result<T> {
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(why)) if tried == TRIES => return Err(self.unreachable(&why)),
                Err(Trouble::Passing(_)) => std::thread::sleep(wait),
            }
            wait *= 2;
        }
        unreachable!("the loop ends by returning")
    }

    fn unreachable(&self, why: &str) -> Error {
        let remedy = if why.contains("certificate") {
            "Install the system's certificates (Debian: ca-certificates), or name a file of those to trust in SSL_CERT_FILE"
        } else {
            "Check the network and HF_ENDPOINT"
        };
        self.repository.error(format!("{} cannot be reached ({why}). {remedy}", self.hub.endpoint))
    }

    /// What the repository holds.
    pub(super) fn listing(&self) -> Result<Listing> {
        let Repository { name, revision, .. } = self.repository;
        let url = format!("{}/api/models/{name}/revision/{}", self.hub.endpoint, escaped(revision));
        self.patiently(|| {
            let mut response = self.get(&url, 0)?;
            let mut json = Vec::new();
            let body = response.body_mut().as_reader();
            body.take(LONGEST_LISTING).read_to_end(&mut json).map_err(|cause| Trouble::Passing(cause.to_string()))?;
            let wrong = |why: &str| self.repository.error(format!("{url} is no list of files: {}", shortened(why)));
            let info: ModelInfo = serde_json::from_slice(&json).map_err(|cause| wrong(&cause.to_string()))?;
            if !is_folder_name(&info.sha) {
                return Err(wrong("its commit is none").into());
            }
            let files = info.siblings.into_iter().map(|file| file.rfilename).collect();
            Ok(Listing { commit: info.sha, files })
        })
    }

    /// Where a file is to be had.
    pub(super) fn url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{}", self.hub.endpoint, self.repository.name, escaped(file))
    }

    /// What the hub says about a file. The hub itself tells the digest of a large file, and then sends on to a place
    /// that does not.
    pub(super) fn about(&self, url: &str) -> Result<About> {
        self.patiently(|| {
            let response = self.follow(
                url,
                |url| self.authorised(self.agent.head(url), url).call(),
                |headers| headers.contains_key("x-linked-etag"),
            )?;
            let headers = response.headers();
            let number = |name| text(headers, name).and_then(|digits| digits.parse().ok());
            match text(headers, "x-linked-etag") {
                Some(etag) => self.checked(etag, number("x-linked-size")),
                None => self.checked(text(headers, "etag").unwrap_or_default(), number("content-length")),
            }
        })
    }

    fn checked(&self, etag: &str, size: Option<u64>) -> Result<About, Trouble> {
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        if is_folder_name(&etag) {
            return Ok(About { etag, size });
        }
        let why = format!("the hub names a file `{}`, which cannot be; check HF_ENDPOINT", shortened(&etag));
        Err(self.repository.error(why).into())
    }

    /// A file from a byte on, as far as the server heeds that: status 200 is the whole, 206 a part.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Response<Body>, Trouble> {
        let ask = |url: &str| {
            let request = self.authorised(self.agent.get(url), url);
            if from > 0 { request.header("Range", format!("bytes={from}-")).call() } else { request.call() }
        };
        self.follow(url, ask, |_| false)
    }

    /// Asks, and asks where it is sent on to, until `enough` is said or the answer comes. The client would follow by
    /// itself, and would take the token to every server of the same name.
    fn follow(
        &self,
        url: &str,
        ask: impl Fn(&str) -> Result<Response<Body>, ureq::Error>,
        enough: impl Fn(&HeaderMap) -> bool,
    ) -> Result<Response<Body>, Trouble> {
        let mut url = url.to_owned();
        for _ in 0..MOST_REDIRECTS {
            let response = ask(&url).map_err(|error| Trouble::Passing(shortened(&error.to_string())))?;
            let (status, headers) = (response.status(), response.headers());
            let has_come = status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE;
            if has_come || status.is_redirection() && enough(headers) {
                return Ok(response);
            }
            if !status.is_redirection() {
                return Err(self.refusal(status, headers));
            }
            let to = text(headers, "location").and_then(|to| joined(&url, to));
            url = to.ok_or_else(|| self.repository.error(format!("{} sends on to nowhere", shortened(&url))))?;
        }
        Err(self.repository.error(format!("{} sends on without an end", shortened(&url))).into())
    }

    /// The token goes to the hub alone, never to where it sends on to.
    fn authorised<B>(&self, request: ureq::RequestBuilder<B>, url: &str) -> ureq::RequestBuilder<B> {
        let ours = url.strip_prefix(&self.hub.endpoint).is_some_and(|rest| rest.starts_with('/'));
        match &self.hub.token {
            Some(token) if ours => request.header("Authorization", format!("Bearer {token}")),
            _ => request,
        }
    }

    /// What a refusal means, and what to do about it.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap) -> Trouble {
        let Repository { name, revision, .. } = self.repository;
        let page = format!("{}/{name}", self.hub.endpoint);
        let code = text(headers, "x-error-code").unwrap_or_default();
        let why = match (status.as_u16(), code) {
            (401 | 403, "GatedRepo") | (403, _) => format!(
                "only for those who accept its terms. Accept them at {page}, then set HF_TOKEN to a token of yours \
                 ({}/settings/tokens)",
                self.hub.endpoint
            ),
            (401, _) => format!(
                "the hub does not show it: there is no such model, or it is not for everybody. Check the name; if \
                 {page} asks to accept terms, accept them and set HF_TOKEN to a token of yours"
            ),
            (404, "RevisionNotFound") => {
                format!("it has no branch, tag or commit `{revision}`. {page}/tree/main lists them")
            }
            (404, "EntryNotFound") => format!("a file of it is no longer there; {page}/tree/{revision} lists what is"),
            (404, _) => format!("there is no such model at {}. Check the name", self.hub.endpoint),
            (408 | 429 | 500..=599, _) => return Trouble::Passing(format!("it answers with status {status}")),
            _ => format!("the hub refuses it with status {status}; see {page}"),
        };
        Trouble::Final(self.repository.error(why))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a hub runs on this machine, where no proxy leads to.
fn is_here(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or_default();
    ["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here))
}

/// A revision or a file's name as one part of a path.
fn escaped(part: &str) -> String {
    let one = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    part.bytes().map(one).collect()
}

/// Where `location` leads from a page: a whole address, or a path at the same server.
fn joined(page: &str, location: &str) -> Option<String> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    let after_scheme = page.find("://")? + 3;
    let server = page[after_scheme..].find('/').map_or(page, |end| &page[..after_scheme + end]);
    location.starts_with('/').then(|| format!("{server}{location}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(escaped("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(escaped("a b%é.txt"), "a%20b%25%C3%A9.txt");
        let page = "https://hub.example:8443/a/b?c";
        assert_eq!(joined(page, "/x/y").as_deref(), Some("https://hub.example:8443/x/y"));
        assert_eq!(joined(page, "https://cdn.example/z").as_deref(), Some("https://cdn.example/z"));
        assert_eq!(joined("http://hub", "/x").as_deref(), Some("http://hub/x"));
        assert_eq!(joined(page, "ftp://x"), None);
    }
}
