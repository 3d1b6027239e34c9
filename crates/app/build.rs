//! Puts the page where the program embeds it from: `web/dist` as it was built, or a page that says how to build it. Never
//! runs npm.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pellucid</title>\
    <p>This program was built without its page. In the source folder, run <code>./run web</code> and build it again. \
    Everything else works: <code>pellucid --help</code>.</p></html>";

fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    let place = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?).join("web");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place)?;
    if dist.join("index.html").is_file() {
        return copy(&dist, &place);
    }
    println!("cargo::warning=web/dist is missing: the program will have no page; ./run web builds it");
    fs::write(place.join("index.html"), MISSING)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir_all(&to)?;
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}
