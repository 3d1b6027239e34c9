//! Where results go: JSON or text on standard output, or a file in the form that its ending says.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use figure::render::{self, TextStyle};
use figure::{Figure, Table};
use serde::Serialize;
use serde_json::Value;
use store::{Announced, Captures, Element, WholeFile};
use views::Answer;

use crate::failure::usage_error;

/// The forms that an answer can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Txt,
    Csv,
    Svg,
    Png,
    Html,
    Safetensors,
}

impl Form {
    /// The form that a file's ending says.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Ok(match ending.as_str() {
            "json" => Self::Json,
            "txt" => Self::Txt,
            "csv" => Self::Csv,
            "svg" => Self::Svg,
            "png" => Self::Png,
            "html" | "htm" => Self::Html,
            "safetensors" => Self::Safetensors,
            _ => {
                let why = "the ending says the form: .json, .txt, .csv, .svg, .png, .html or .safetensors";
                return Err(usage_error(format!("{}: {why}", path.display())));
            }
        })
    }
}

/// Fails early where a file could not be written later.
pub(crate) fn check_place(path: &Path) -> Result<()> {
    WholeFile::create(path).map(drop).map_err(Into::into)
}

/// Writes an answer to a file, whole or not at all.
pub(crate) fn write(path: &Path, form: Form, answer: &dyn Answer, figure: &Figure) -> Result<()> {
    if form == Form::Safetensors {
        return write_arrays(path, answer);
    }
    let mut file = WholeFile::create(path)?;
    match form {
        Form::Json => {
            let mut buffered = BufWriter::new(file.file());
            answer.write_json(&mut buffered).map_err(|error| in_file(path, error))?;
            buffered.write_all(b"\n").and_then(|()| buffered.flush()).map_err(|error| in_file(path, error))?;
        }
        Form::Txt => file.write(render::text(figure, &TextStyle::default()).as_bytes())?,
        Form::Csv => file.write(render::csv(figure).as_bytes())?,
        Form::Svg => file.write(render::svg(figure).as_bytes())?,
        Form::Png => file.write(&render::png(figure))?,
        Form::Html => file.write(render::html(figure).as_bytes())?,
        Form::Safetensors => unreachable!("arrays were written above"),
    }
    file.finish()?;
    Ok(())
}

/// Writes the answer's arrays of numbers under their names, as floats: what an edit can take its values from.
fn write_arrays(path: &Path, answer: &dyn Answer) -> Result<()> {
    let mut document = Vec::new();
    answer.write_json(&mut document).map_err(|error| in_file(path, error))?;
    let document: Value = serde_json::from_slice(&document).map_err(|error| in_file(path, error))?;
    let found: Vec<(&String, Vec<usize>, Vec<f32>)> = document
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let shape = value["shape"].as_array()?.iter().map(|n| Some(n.as_u64()? as usize)).collect::<Option<_>>()?;
            Some((name, shape, value["data"].as_array()?.iter().map(number).collect::<Option<_>>()?))
        })
        .collect();
    if found.is_empty() {
        return Err(usage_error(format!("{}: this answer has no arrays of numbers", path.display())));
    }
    let announce = |(name, shape, _): &(&String, Vec<usize>, Vec<f32>)| Announced {
        name: (*name).clone(),
        element: Element::F32,
        shape: shape.clone(),
    };
    let announced: Vec<Announced> = found.iter().map(announce).collect();
    let mut file = Captures::create(path, &announced, &BTreeMap::new())?;
    for (name, _, values) in &found {
        file.write_f32(name, values)?;
    }
    Ok(file.finish()?)
}

/// A number of an array, where one that is not finite is written as a word.
fn number(value: &Value) -> Option<f32> {
    match value.as_str() {
        None => value.as_f64().map(|x| x as f32),
        Some("NaN") => Some(f32::NAN),
        Some("Infinity") => Some(f32::INFINITY),
        Some("-Infinity") => Some(f32::NEG_INFINITY),
        Some(_) => None,
    }
}

fn in_file(path: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::anyhow!("{}: cannot write: {}", path.display(), error.into())
}

/// Prints a document as JSON.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Prints an answer as JSON, on one line: it may be long.
pub(crate) fn print_answer(answer: &dyn Answer) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    answer.write_json(&mut out)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Prints text of the program's own.
pub(crate) fn print(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Prints a figure as text.
pub(crate) fn print_figure(figure: &Figure, style: &TextStyle) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(render::text(figure, style).as_bytes())?;
    Ok(out.flush()?)
}

/// Prints a table as text.
pub(crate) fn print_table(table: Table, style: &TextStyle) -> Result<()> {
    print_figure(&table.into(), style)
}
