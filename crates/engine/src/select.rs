//! Names and globs of points.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, PointId, Result, Spec};

/// A point's name, or a glob over names: `*` stands for any run of characters, dots included, `?` for one. Names
/// with TransformerLens's `hook_` are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Select(String);

impl Select {
    /// As text, canonical.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        glob(self.0.as_bytes(), name.as_bytes())
    }

    /// The points of a model that it matches, in the model's order. None is an error that names the nearest.
    pub fn resolve(&self, spec: &Spec) -> Result<Vec<PointId>> {
        if let Some(id) = spec.point(&self.0) {
            return Ok(vec![id]);
        }
        let found: Vec<PointId> =
            (0..spec.points.len()).filter(|&i| self.matches(&spec.points[i].name)).map(|i| PointId(i as u32)).collect();
        if found.is_empty() { Err(self.unknown(spec)) } else { Ok(found) }
    }

    /// The points that any of some selects matches, in the model's order, each once.
    pub fn resolve_all(selects: &[Self], spec: &Spec) -> Result<Vec<PointId>> {
        let mut found = Vec::new();
        for select in selects {
            found.extend(select.resolve(spec)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn unknown(&self, spec: &Spec) -> Error {
        let mut ranked: Vec<(usize, &str)> =
            spec.points.iter().map(|p| (strsim::damerau_levenshtein(&self.0, &p.name), p.name.as_str())).collect();
        ranked.sort_by_key(|&(distance, _)| distance);
        let nearest = ranked.iter().take(3).map(|&(_, name)| name.to_owned()).collect();
        Error::UnknownPoint { asked: self.0.clone(), nearest }
    }
}

impl FromStr for Select {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let without_hook = |part| match str::trim_start_matches(part, "hook_") {
            "" => part,
            bare => bare,
        };
        let canonical: Vec<&str> = text.split('.').map(without_hook).collect();
        if text.is_empty()
            || text.len() > 1000
            || text.chars().any(|c| c.is_whitespace() || c.is_control() || "[]=".contains(c))
        {
            let why = "a point's name has letters, digits, dots, `_`, and `*` or `?` for any".into();
            return Err(Error::EditSyntax { text: text.chars().take(200).collect(), why });
        }
        Ok(Self(canonical.join(".")))
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Greedy matching with one point of return: linear in practice, quadratic at worst, never exponential.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn globs_cross_dots() {
        let check = |pattern: &str, name: &str, expected| {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        };
        check("blocks.*.resid_post", "blocks.3.resid_post", true);
        check("*.z", "blocks.3.attn.z", true);
        check("*resid*", "blocks.10.resid_pre", true);
        check("blocks.?.attn.q", "blocks.10.attn.q", false);
        check("blocks.1*.attn.q", "blocks.10.attn.q", true);
        check("*", "", true);
        check("a", "", false);
    }

    #[test]
    fn hook_names_are_accepted() {
        assert_eq!("blocks.0.attn.hook_q".parse::<Select>().unwrap().as_str(), "blocks.0.attn.q");
        assert_eq!("hook_embed".parse::<Select>().unwrap().as_str(), "embed");
    }
}
