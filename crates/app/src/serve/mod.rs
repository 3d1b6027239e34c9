//! The workbench: a server on this machine's own address, and the page that asks it.
//!
//! `guard` says who may ask, `routes` what can be asked, `models` holds what is open, `jobs` works answers out,
//! `artifacts` keeps them, `workspaces` keeps what is on the page, `page` is the page.

mod arrays;
mod artifacts;
mod guard;
mod jobs;
mod models;
mod page;
mod routes;
mod workspaces;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::watch;
use views::AnyView;

use crate::model::Opener;
pub(crate) use workspaces::{is_built_in, name_of};

/// How the workbench is opened.
pub(crate) struct Options {
    pub(crate) opener: Opener,
    pub(crate) views: &'static [AnyView],
    /// 0 lets the system choose.
    pub(crate) port: u16,
    /// Where answers are kept.
    pub(crate) cache: Option<PathBuf>,
    /// Where workspaces are kept.
    pub(crate) workspaces: PathBuf,
    /// What the page shows at first.
    pub(crate) start: Start,
    /// A workspace that lies elsewhere, by the name that the page knows it by.
    pub(crate) file: Option<PathBuf>,
    pub(crate) browser: bool,
}

/// What the command line asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) models: Vec<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) workspace: Option<String>,
}

/// What every request may use.
pub(crate) struct Shared {
    views: &'static [AnyView],
    models: models::Models,
    jobs: Arc<jobs::Jobs>,
    artifacts: artifacts::Store,
    workspaces: workspaces::Workspaces,
    start: Start,
    /// Tells this run of the server from others, so that a page heeds `start` once.
    run: String,
    /// True once the server is to end.
    end: watch::Receiver<bool>,
}

/// Serves until Ctrl-C.
pub(crate) fn serve(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(until_ctrl_c(options));
    // A view may be in the middle of a step; the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn until_ctrl_c(options: Options) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("port {} cannot be used; name another with --port N, or 0 for any that is free", options.port)
    })?;
    let port = listener.local_addr()?.port();
    let (end, ending) = watch::channel(false);
    let jobs = jobs::Jobs::new();
    let cache = options.cache.unwrap_or_else(artifacts::usual_folder);
    let artifacts = artifacts::Store::new(cache.clone())?;
    let guard = Arc::new(guard::Guard::new(port, guard::token_of(&cache)?));
    let shared = Arc::new(Shared {
        views: options.views,
        models: models::Models::new(options.opener, options.views),
        jobs: jobs.clone(),
        artifacts,
        workspaces: workspaces::Workspaces::new(options.workspaces, options.file)?,
        start: options.start,
        run: guard::random_digits()?,
        end: ending,
    });
    let url = format!("http://127.0.0.1:{port}/?token={}", guard.token());
    println!("{url}");
    eprintln!("The workbench is open at this address, for this machine alone. Ctrl-C ends it.");
    if options.browser {
        browse(&url);
    }
    let stop = async move {
        let _ = tokio::signal::ctrl_c().await;
        jobs.end();
        let _ = end.send(true);
    };
    let app = routes::router(shared, guard);
    axum::serve(listener, app).with_graceful_shutdown(stop).await.context("the server ended")
}

/// Opens the address in the user's browser, if the system knows how.
fn browse(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Stdio::null;
    let started = std::process::Command::new(program).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    if started.is_err() {
        eprintln!("No browser could be opened; open the address by hand.");
    }
}
