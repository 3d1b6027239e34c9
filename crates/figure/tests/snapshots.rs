//! Every sample figure, drawn as it was when somebody last looked at it. After a change that is meant,
//! `UPDATE_SNAPSHOTS=1 cargo test -p pellucid-figure --test snapshots` writes the files anew; look at
//! them before committing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test's failure")]

mod samples;

use std::fs;
use std::path::Path;

use figure::render::{self, Colour, TextStyle};

/// Compares with the committed file, or writes it.
fn check(file: &str, drawn: &str) {
    check_at(&Path::new("tests/snapshots").join(file), drawn);
}

/// The same for any file, its path as seen from this crate's folder.
fn check_at(file: &Path, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, drawn).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(drawn.lines()).position(|(kept, drawn)| kept != drawn);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(drawn.lines().count()));
    assert!(
        kept == drawn,
        "{} differs from line {}:\n  kept  {}\n  drawn {}\nset UPDATE_SNAPSHOTS=1 if this is meant",
        file.display(),
        line + 1,
        kept.lines().nth(line).unwrap_or("(end)"),
        drawn.lines().nth(line).unwrap_or("(end)"),
    );
}

/// Embedded pictures depend on how the encoder packs them, so only their sizes are kept.
fn without_pixels(svg: &str) -> String {
    let mut parts = svg.split("base64,");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find('"').unwrap_or(0);
        kept.push_str("base64,...");
        kept.push_str(&part[end..]);
    }
    kept
}

#[test]
fn plain_text() {
    for (name, figure) in samples::all() {
        check(&format!("{name}.txt"), &render::text(&figure, &TextStyle::default()));
    }
}

#[test]
fn coloured_text() {
    let style = TextStyle { colour: Colour::Ansi256, width: 80, ..TextStyle::default() };
    for (name, figure) in samples::all() {
        check(&format!("{name}.ansi"), &render::text(&figure, &style));
    }
}

#[test]
fn svg() {
    for (name, figure) in samples::all() {
        check(&format!("{name}.svg"), &without_pixels(&render::svg(&figure)));
    }
}

#[test]
fn csv() {
    for (name, figure) in samples::all() {
        let csv = render::csv(&figure);
        // The first lines show the form; the numbers of large figures are the samples' own.
        let head: String = csv.lines().take(30).flat_map(|line| [line, "\n"]).collect();
        check(&format!("{name}.csv"), &head);
    }
}

/// The page's own tests read figures as the program writes them.
#[test]
fn json_for_the_page() {
    /// More than a megabyte, and nothing that a smaller map lacks.
    const LEFT_OUT: [&str; 1] = ["heatmap_large"];
    let samples = samples::all().into_iter().filter(|(name, _)| !LEFT_OUT.contains(name));
    let lines: Vec<String> = samples.map(|sample| serde_json::to_string(&sample).unwrap()).collect();
    check_at(Path::new("../../web/test/figures.samples.json"), &format!("[\n{}\n]\n", lines.join(",\n")));
}
