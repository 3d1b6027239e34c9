//! Answers that last: folders named by what was asked, written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use figure::Figure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use views::Answer;

/// Arrays of more numbers than this are kept apart, as raw little-endian bytes.
const INLINE: usize = 4096;

/// What an artifact says of itself: `artifact.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Artifact {
    pub(super) kind: String,
    pub(super) key: String,
    /// The question: view, parameters, model, edits, what it is compared with.
    pub(super) inputs: Value,
    /// What made it, and of what.
    pub(super) provenance: Value,
    /// The figure; large arrays are references.
    pub(super) figure: Value,
    pub(super) arrays: Vec<Stored>,
}

/// An array that is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) dims: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: String,
}

/// A question's key: the digest of everything that the answer follows from.
pub(super) fn key(inputs: &Value, weights: &str) -> String {
    let told = json!({ "engine": env!("CARGO_PKG_VERSION"), "weights": weights, "inputs": sorted(inputs) });
    let digest = Sha256::digest(told.to_string());
    store::digest::hex(&digest[..20])
}

/// The same with the fields of objects in order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields.into_iter().collect()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Where artifacts are kept.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    /// Artifacts in a folder, which is made.
    pub(super) fn new(folder: PathBuf) -> Result<Self> {
        let why = || format!("{}: no place for answers; name another with --cache DIR", folder.display());
        fs::create_dir_all(&folder).with_context(why)?;
        Ok(Self { folder })
    }

    fn place(&self, key: &str) -> Option<PathBuf> {
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then(|| self.folder.join(key))
    }

    /// Whether there is one of this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.place(key).is_some_and(|place| place.join("artifact.json").is_file())
    }

    /// What one says of itself.
    pub(super) fn get(&self, key: &str) -> Result<Option<Artifact>> {
        self.read(key)
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(place) = self.place(key).filter(|place| place.is_dir()) else { return Ok(None) };
        let path = place.join("artifact.json");
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(Some(
            serde_json::from_slice(&bytes)
                .with_context(|| format!("{}: damaged; delete its folder", path.display()))?,
        ))
    }

    /// An array, and its bytes.
    pub(super) fn array(&self, key: &str, number: usize) -> Result<Option<(Stored, Vec<u8>)>> {
        // Of the artifact no more is kept in memory than this.
        #[derive(Deserialize)]
        struct Arrays {
            arrays: Vec<Stored>,
        }
        let arrays = self.read::<Arrays>(key)?.map(|artifact| artifact.arrays).unwrap_or_default();
        let stored = arrays.into_iter().nth(number);
        stored.map(|stored| Ok((stored, self.bytes(key, number)?))).transpose()
    }

    /// The bytes of an array.
    fn bytes(&self, key: &str, number: usize) -> Result<Vec<u8>> {
        let Some(place) = self.place(key) else { bail!("`{key}` is no key") };
        let path = place.join(format!("{number}.bin"));
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// The answer's typed numbers, as JSON.
    pub(super) fn answer(&self, key: &str) -> Result<Vec<u8>> {
        let Some(place) = self.place(key) else { bail!("`{key}` is no key") };
        let path = place.join("answer.json");
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// The figure with all its numbers.
    pub(super) fn figure(&self, artifact: &Artifact) -> Result<Figure> {
        let mut figure = artifact.figure.clone();
        self.fill(&mut figure, artifact)?;
        Ok(serde_json::from_value(figure)?)
    }

    fn fill(&self, value: &mut Value, artifact: &Artifact) -> Result<()> {
        match value {
            Value::Object(fields) => {
                let reference = fields.get("ref").and_then(Value::as_str).and_then(|text| text.rsplit('/').next());
                let Some(number) = reference.and_then(|number| number.parse::<usize>().ok()) else {
                    return fields.values_mut().try_for_each(|field| self.fill(field, artifact));
                };
                let Some(stored) = artifact.arrays.get(number) else { bail!("array {number} is missing") };
                let numbers = numbers(&stored.dtype, &self.bytes(&artifact.key, number)?)?;
                fields.retain(|name, _| name == "dims" || name == "shape");
                fields.insert("data".into(), numbers);
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.fill(value, artifact)),
            _ => Ok(()),
        }
    }

    /// Keeps an answer, if nobody else has in the meantime.
    pub(super) fn put(
        &self,
        key: &str,
        inputs: Value,
        provenance: Value,
        answer: &dyn Answer,
        figure: &Figure,
    ) -> Result<()> {
        let Some(place) = self.place(key) else { bail!("`{key}` is no key") };
        let prefix = format!("/api/artifacts/{key}/arrays/");
        let (figure, arrays) = figure::detached(INLINE, &prefix, || serde_json::to_value(figure));
        let figure = figure?;
        let mut told = Vec::new();
        references(&figure, &mut told);
        let draft = tempfile::Builder::new().prefix(".draft").tempdir_in(&self.folder)?;
        for (number, bytes) in arrays.iter().enumerate() {
            fs::write(draft.path().join(format!("{number}.bin")), bytes)?;
        }
        let mut file = fs::File::create(draft.path().join("answer.json"))?;
        let mut buffered = std::io::BufWriter::new(&mut file);
        answer.write_json(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        let artifact = Artifact { kind: "view".into(), key: key.into(), inputs, provenance, figure, arrays: told };
        fs::write(draft.path().join("artifact.json"), serde_json::to_vec(&artifact)?)?;
        let path = draft.keep();
        if let Err(error) = fs::rename(&path, &place) {
            let _ = fs::remove_dir_all(&path);
            if !self.has(key) {
                return Err(error).with_context(|| place.display().to_string());
            }
        }
        Ok(())
    }
}

/// Arrays that a figure refers to, in the order of their numbers: the order in which they were met.
fn references(value: &Value, found: &mut Vec<Stored>) {
    match value {
        Value::Object(fields) if fields.contains_key("ref") && fields.contains_key("dtype") => {
            let of = |name: &str| fields.get(name).cloned().unwrap_or_default();
            found.push(Stored {
                dims: serde_json::from_value(of("dims")).unwrap_or_default(),
                shape: serde_json::from_value(of("shape")).unwrap_or_default(),
                dtype: of("dtype").as_str().unwrap_or_default().to_owned(),
            });
        }
        Value::Object(fields) => fields.values().for_each(|value| references(value, found)),
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Raw numbers as JSON, as the figure's own arrays are written.
fn numbers(dtype: &str, bytes: &[u8]) -> Result<Value> {
    fn all<const N: usize, T: figure::Element>(bytes: &[u8], read: fn([u8; N]) -> T) -> Result<Value> {
        let elements: Vec<T> = bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect();
        let mut array = serde_json::to_value(figure::Array::vector(figure::Dim::Row, elements))?;
        Ok(array["data"].take())
    }
    match dtype {
        "f32" => all(bytes, f32::from_le_bytes),
        "f64" => all(bytes, f64::from_le_bytes),
        "u32" => all(bytes, u32::from_le_bytes),
        "i64" => all(bytes, i64::from_le_bytes),
        other => bail!("numbers of kind `{other}` are not known"),
    }
}

/// Where answers are kept unless somewhere else is named.
pub(super) fn usual_folder() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    cache.map_or_else(std::env::temp_dir, |cache| Path::new(&cache).join("pellucid")).join("artifacts")
}

#[cfg(test)]
mod tests {
    use figure::{Array, Dim, Heatmap};

    use super::*;

    struct Nothing;

    impl Answer for Nothing {
        fn write_json(&self, to: &mut dyn Write) -> Result<(), serde_json::Error> {
            serde_json::to_writer(to, &json!({}))
        }

        fn figure(&self) -> Figure {
            figure::Text::new("").into()
        }
    }

    #[test]
    fn figures_come_back_with_every_number() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("deep/er")).unwrap();
        let mut values: Vec<f32> = (0..100 * 100).map(|i| i as f32 / 7.0).collect();
        values[3] = f32::NEG_INFINITY;
        let figure: Figure =
            Heatmap::new(Array::matrix(Dim::Pos.dst(), Dim::Pos.src(), 100, 100, values).unwrap()).into();
        let key = key(&json!({ "view": "x" }), "w");
        assert!(!store.has(&key) && store.get(&key).unwrap().is_none());
        for _ in 0..2 {
            store.put(&key, json!({}), json!({}), &Nothing, &figure).unwrap();
        }
        let artifact = store.get(&key).unwrap().unwrap();
        assert_eq!(
            artifact.arrays,
            [Stored { dims: vec!["pos/dst".into(), "pos/src".into()], shape: vec![100, 100], dtype: "f32".into() }]
        );
        assert_eq!(store.array(&key, 0).unwrap().unwrap().1.len(), 40_000);
        assert_eq!(store.figure(&artifact).unwrap(), figure);
        assert_eq!(fs::read_dir(folder.path().join("deep/er")).unwrap().count(), 1, "no draft is left");
        assert!(store.get("../etc").unwrap().is_none() && store.array("../x", 0).unwrap().is_none());
    }

    #[test]
    fn keys_follow_from_what_was_asked_not_from_how() {
        let one = json!({ "view": "v", "parameters": { "a": 1, "b": [2, { "d": 1, "c": 2 }] } });
        let other: Value = serde_json::from_str(r#"{"parameters":{"b":[2,{"c":2,"d":1}],"a":1},"view":"v"}"#).unwrap();
        assert_eq!(key(&one, "w"), key(&other, "w"));
        assert_ne!(key(&one, "w"), key(&one, "x"));
        assert_ne!(key(&one, "w"), key(&json!({ "view": "v" }), "w"));
    }
}
