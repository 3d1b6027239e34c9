//! Reading a configuration: typed fields, with messages that name the field.

use kernels::Act;
use serde_json::Value;

use crate::{Error, Result};

/// No size in a real network comes near; one beyond is a damaged or hostile file.
const LARGEST: u64 = 1 << 28;

/// The same for blocks.
const MOST_LAYERS: usize = 10_000;

/// The fields of a `config.json`, or a GGUF file's keys under its architecture's prefix.
pub(crate) struct Fields<'a> {
    value: &'a Value,
    prefix: String,
}

impl<'a> Fields<'a> {
    /// Fields of a JSON object; a `prefix` is put before every name, with a dot.
    pub(crate) fn new(value: &'a Value, prefix: &str) -> Self {
        Self { value, prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}.") } }
    }

    /// `a/b/0` goes into objects and arrays.
    fn get(&self, path: &str) -> Option<&'a Value> {
        let full = format!("{}{path}", self.prefix);
        let found =
            if self.prefix.is_empty() { self.value.pointer(&format!("/{full}")) } else { self.value.get(&full) };
        found.filter(|v| !v.is_null())
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Text.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        self.get(path)?.as_str()
    }

    /// True or false.
    pub(crate) fn flag(&self, path: &str) -> Option<bool> {
        self.get(path)?.as_bool()
    }

    /// A finite number, if the field is there.
    pub(crate) fn number(&self, path: &str) -> Result<Option<f64>> {
        match self.get(path) {
            None => Ok(None),
            Some(v) => match v.as_f64().filter(|x| x.is_finite()) {
                Some(x) => Ok(Some(x)),
                None => Err(self.wrong(path, v, "a number")),
            },
        }
    }

    /// A positive size, if the field is there.
    pub(crate) fn optional_size(&self, path: &str) -> Result<Option<usize>> {
        match self.get(path) {
            None => Ok(None),
            Some(v) => match v.as_u64().filter(|&n| n > 0 && n < LARGEST) {
                Some(n) => Ok(Some(n as usize)),
                None => Err(self.wrong(path, v, "a positive whole number of sensible size")),
            },
        }
    }

    /// A positive size that must be there.
    pub(crate) fn size(&self, path: &str) -> Result<usize> {
        self.optional_size(path)?.ok_or_else(|| Error::Config(format!("`{}{path}` is missing", self.prefix)))
    }

    /// The number of blocks.
    pub(crate) fn layers(&self, path: &str) -> Result<usize> {
        match self.size(path)? {
            n if n <= MOST_LAYERS => Ok(n),
            n => Err(Error::Config(format!("{n} blocks are more than any real network has"))),
        }
    }

    /// A non-linearity by Hugging Face's name; silu if not given.
    pub(crate) fn act(&self, path: &str) -> Result<Act> {
        match self.text(path) {
            None | Some("silu" | "swish") => Ok(Act::Silu),
            Some("gelu") => Ok(Act::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Act::GeluTanh),
            Some("quick_gelu") => Ok(Act::QuickGelu),
            Some("relu") => Ok(Act::Relu),
            Some("relu2") => Ok(Act::Relu2),
            Some(other) => Err(Error::Config(format!("activation `{other}` is not supported"))),
        }
    }

    fn wrong(&self, path: &str, found: &Value, expected: &str) -> Error {
        let found: String = found.to_string().chars().take(60).collect();
        Error::Config(format!("`{}{path}` is {found} and should be {expected}", self.prefix))
    }
}
