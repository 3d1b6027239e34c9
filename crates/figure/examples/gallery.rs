//! Prints a figure of every kind, or writes them all to a folder in every format:
//! `cargo run -p pellucid-figure --example gallery [FOLDER]`.

#[path = "../tests/samples/mod.rs"]
mod samples;

use figure::render::{self, Colour, TextStyle};

fn main() -> std::io::Result<()> {
    let colour = TextStyle { colour: Colour::TrueColor, ..TextStyle::default() };
    let Some(folder) = std::env::args().nth(1) else {
        for (name, figure) in samples::all() {
            println!("== {name}\n{}", render::text(&figure, &colour));
        }
        return Ok(());
    };
    std::fs::create_dir_all(&folder)?;
    for (name, figure) in samples::all() {
        let write = |ending: &str, bytes: &[u8]| std::fs::write(format!("{folder}/{name}.{ending}"), bytes);
        write("txt", render::text(&figure, &TextStyle::default()).as_bytes())?;
        write("ansi", render::text(&figure, &colour).as_bytes())?;
        write("svg", render::svg(&figure).as_bytes())?;
        write("png", &render::png(&figure))?;
        write("html", render::html(&figure).as_bytes())?;
        write("csv", render::csv(&figure).as_bytes())?;
    }
    Ok(())
}
