//! What is on the page, as files: versioned YAML without code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::WholeFile;

/// Workspaces that ship with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("calculation", include_str!("calculation.wb.yaml")),
    ("first-steps", include_str!("first-steps.wb.yaml")),
    ("grokking", include_str!("grokking.wb.yaml")),
    ("indirect-objects", include_str!("indirect-objects.wb.yaml")),
];
/// A workspace is some pages of text at most.
const LARGEST: usize = 1 << 20;
/// The version that is written. Version 1 could not say how a view is shown; else it was the same.
const VERSION: u32 = 2;
const ENDING: &str = ".wb.yaml";

/// What the workspace in a file is called: the file's name without its ending.
pub(crate) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(ENDING).or(name.strip_suffix(".yaml")).unwrap_or(&name).to_owned()
}

/// Whether a workspace of this name ships with the program.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(known, _)| *known == name)
}

/// Views side by side, of models and prompts, with what is pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workspace {
    version: u32,
    title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    notes: String,
    #[serde(default)]
    models: Vec<ModelEntry>,
    #[serde(default)]
    prompts: Vec<PromptEntry>,
    #[serde(default)]
    edits: Vec<EditEntry>,
    #[serde(default)]
    views: Vec<ViewEntry>,
    /// Pins and filters, as the page wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selection: Option<Value>,
    /// Steps that are shown one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    id: String,
    reference: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptEntry {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<u32>>,
    /// Whether the text is a user's message, to be put into the model's chat template.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    chat: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditEntry {
    text: String,
    on: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewEntry {
    id: String,
    view: String,
    model: String,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    parameters: serde_json::Map<String, Value>,
    /// Parameters that take their value from what is pinned.
    #[serde(default)]
    follow: serde_json::Map<String, Value>,
    /// Whether the answer is shown as it is under the edits (if left out), or before them, or beside another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<Show>,
    /// How its figures are drawn, as the page wrote it.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    options: serde_json::Map<String, Value>,
    place: Place,
}

/// What of a view is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Show {
    After,
    Before,
    /// Before and after the edits, side by side.
    Edits,
    /// Both prompts.
    Prompts,
    /// Both models.
    Models,
}

/// Columns of twelve, and rows of 40 px.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    title: String,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<Value>,
}

/// What is wrong with a workspace, and in which line if that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) why: String,
    pub(super) line: Option<u64>,
}

impl Workspace {
    /// Reads YAML, of which JSON is a part.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if text.len() > LARGEST {
            return Err(Fault { why: "a workspace has at most a million characters".into(), line: None });
        }
        let fault = |error: &serde_saphyr::Error| {
            let why = error.without_snippet().to_string();
            Fault {
                why: why.lines().next().unwrap_or("no YAML").to_owned(),
                line: error.location().map(|at| at.line()),
            }
        };
        let Version { version } = serde_saphyr::from_str(text).map_err(|error| fault(&error))?;
        if !(1..=VERSION).contains(&version) {
            let why = format!("it is of version {version}; this program knows versions up to {VERSION}");
            return Err(Fault { why, line: None });
        }
        let mut workspace: Self = serde_saphyr::from_str(text).map_err(|error| fault(&error))?;
        workspace.version = VERSION;
        workspace.check().map_err(|why| Fault { why, line: None })?;
        Ok(workspace)
    }

    /// Whether views refer to what there is.
    fn check(&self) -> Result<(), String> {
        for view in &self.views {
            if !self.models.iter().any(|model| model.id == view.model) {
                return Err(format!("view `{}` is of model `{}`, which is not among its models", view.id, view.model));
            }
            let unknown = |id: &&String| !self.prompts.iter().any(|prompt| prompt.id == **id);
            if let Some(id) = view.prompt.as_ref().filter(unknown) {
                return Err(format!("view `{}` is of prompt `{id}`, which is not among its prompts", view.id));
            }
            if view.place.w == 0 || view.place.h == 0 || view.place.x + view.place.w > 12 || view.place.y > 10_000 {
                return Err(format!("view `{}` lies outside the page: there are 12 columns", view.id));
            }
        }
        match self.prompts.iter().find(|prompt| prompt.text.is_some() == prompt.tokens.is_some()) {
            Some(prompt) => Err(format!("prompt `{}` needs a text or tokens, one of the two", prompt.id)),
            None => Ok(()),
        }
    }

    pub(super) fn write(&self) -> Result<String> {
        Ok(serde_saphyr::to_string(self)?)
    }
}

/// A workspace in the list.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Listed {
    name: String,
    title: String,
    builtin: bool,
}

/// The workspaces in a folder, and those that ship.
pub(super) struct Workspaces {
    folder: PathBuf,
    /// One that lies elsewhere: its name, and its path.
    file: Option<(String, PathBuf)>,
}

impl Workspaces {
    pub(super) fn new(folder: PathBuf, file: Option<PathBuf>) -> Result<Self> {
        let workspaces = Self { folder, file: file.map(|path| (name_of(&path), path)) };
        if let Some((_, path)) = &workspaces.file {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let line = |fault: &Fault| fault.line.map_or(String::new(), |line| format!(", line {line}"));
            Workspace::read(&text)
                .map_err(|fault| anyhow::anyhow!("{}{}: {}", path.display(), line(&fault), fault.why))?;
        }
        Ok(workspaces)
    }

    /// Where one of this name lies; none for a name that is no plain name.
    fn place(&self, name: &str) -> Option<PathBuf> {
        if let Some((known, path)) = &self.file
            && known == name
        {
            return Some(path.clone());
        }
        let plain = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
        let is_name = !name.trim().is_empty() && name.len() <= 100 && name.chars().all(plain);
        is_name.then(|| self.folder.join(format!("{name}{ENDING}")))
    }

    /// The text of one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let place = self.place(name)?;
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        fs::read_to_string(place).ok().or_else(built_in)
    }

    /// Keeps one; the error is for the person.
    pub(super) fn keep(&self, name: &str, workspace: &Workspace) -> Result<()> {
        let place =
            self.place(name).context("a name of letters, digits, blanks, - and _ is wanted, at most 100 long")?;
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut file = WholeFile::create(&place)?;
        file.write(workspace.write()?.as_bytes())?;
        Ok(file.finish()?)
    }

    /// Deletes one; the error is for the person.
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        let place = self.place(name).filter(|place| place.is_file());
        let why = || {
            let ships = format!("`{name}` ships with the program and cannot be deleted");
            if is_built_in(name) { ships } else { format!("there is no workspace `{name}`") }
        };
        let place = place.with_context(why)?;
        fs::remove_file(&place).with_context(|| place.display().to_string())
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name_of = |path: &Path| Some(path.file_name()?.to_str()?.strip_suffix(ENDING)?.to_owned());
        let mut names: Vec<String> = entries.filter_map(|entry| name_of(&entry.path())).collect();
        names.extend(self.file.iter().map(|(name, _)| name.clone()));
        names.extend(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()));
        names.sort();
        names.dedup();
        let listed = |name: String| {
            let title = Workspace::read(&self.text(&name)?).ok()?.title;
            let builtin = is_built_in(&name);
            Some(Listed { name, title, builtin })
        };
        names.into_iter().filter_map(listed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_ship_are_sound_and_come_back_from_their_own_text() {
        for (name, text) in BUILT_IN {
            let workspace = Workspace::read(text).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            for entry in &workspace.views {
                let view = views::VIEWS.iter().find(|known| known.name == entry.view).unwrap();
                let known = view.schema().as_value()["properties"].clone();
                assert!(
                    entry.parameters.keys().chain(entry.follow.keys()).all(|name| !known[name].is_null()),
                    "{entry:?}"
                );
            }
            assert_eq!(Workspace::read(&workspace.write().unwrap()).unwrap(), workspace);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let fault = |text: &str| Workspace::read(text).unwrap_err();
        let unknown = fault("version: 1\ntitle: x\ncode: 'rm -rf'\n");
        assert!(unknown.why.contains("code") && unknown.line == Some(3), "{unknown:?}");
        assert!(fault("version: 3\ntitle: x\n").why.contains("version 3"));
        assert!(fault("version: 0\ntitle: x\n").why.contains("version 0"));
        assert!(fault("version: 1\ntitle: [\n").line.is_some());
        assert!(fault(&"#".repeat(LARGEST + 1)).why.contains("at most"));
        let view = "version: 1\ntitle: x\nmodels: [{id: a, reference: b}]\nviews:\n- {id: v, view: norms, model: ";
        assert!(fault(&format!("{view}z, place: {{x: 0, y: 0, w: 1, h: 1}}}}\n")).why.contains("model `z`"));
        assert!(fault(&format!("{view}a, place: {{x: 9, y: 0, w: 4, h: 1}}}}\n")).why.contains("12 columns"));
        assert!(
            fault(&format!("{view}a, prompt: q, place: {{x: 0, y: 0, w: 4, h: 1}}}}\n")).why.contains("prompt `q`")
        );
        assert!(fault("version: 1\ntitle: x\nprompts: [{id: p}]\n").why.contains("text or tokens"));
    }

    #[test]
    fn an_old_one_becomes_one_of_today() {
        let view = "{id: v, view: norms, model: a, place: {x: 0, y: 0, w: 6, h: 8}";
        let text = |version: u32, more: &str| {
            format!(
                "version: {version}\ntitle: x\nmodels: [{{id: a, reference: \"zoo:talk\"}}]\nviews: [{view}{more}}}]\n"
            )
        };
        let old = Workspace::read(&text(1, "")).unwrap();
        assert_eq!(old, Workspace::read(&text(2, "")).unwrap());
        assert!(old.write().unwrap().starts_with("version: 2\n"));
        let shown = Workspace::read(&text(2, ", show: edits, options: {scale: own}")).unwrap();
        assert_eq!((shown.views[0].show, &shown.views[0].options["scale"]), (Some(Show::Edits), &"own".into()));
        assert_eq!(Workspace::read(&shown.write().unwrap()).unwrap(), shown);
        assert!(Workspace::read(&text(2, ", show: sideways")).unwrap_err().why.contains("sideways"));
    }

    #[test]
    fn names_stay_inside_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::new(folder.path().join("ws"), None).unwrap();
        let workspace = Workspace::read("version: 1\ntitle: Mine\n").unwrap();
        for name in ["", "  ", "..", "../up", "a/b", "a\\b", "/etc/passwd", "x\0", &"n".repeat(101)] {
            assert!(workspaces.keep(name, &workspace).is_err() && workspaces.text(name).is_none(), "{name}");
        }
        workspaces.keep("my own-1", &workspace).unwrap();
        assert_eq!(Workspace::read(&workspaces.text("my own-1").unwrap()).unwrap(), workspace);
        let listed = workspaces.list();
        assert!(listed.contains(&Listed { name: "my own-1".into(), title: "Mine".into(), builtin: false }));
        assert!(listed.iter().any(|one| one.builtin));
    }
}
