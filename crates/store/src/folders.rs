//! Folders that results are put into, and the texts in folders that something is learnt from.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::map::read;
use crate::{Error, Result};

/// No text that a small network learns from comes near.
const LONGEST_TEXT: u64 = 4 << 30;

/// Folders in folders are read this deep, so that a link to itself comes to an end.
const DEEPEST: usize = 16;

/// Makes a folder, and those that it is in; one that is there already stays as it is.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Error::Unsupported {
            place: path.into(),
            what: "a file lies where a folder is to be made".into(),
            remedy: "Name another folder",
        },
        _ => Error::io(path, "write", cause),
    })
}

/// Removes a file; one that is not there is no error.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(Error::io(path, "write", cause)),
        _ => Ok(()),
    }
}

/// The names of what a folder holds, in order; none if it is not there.
pub fn names_in(folder: &Path) -> Result<Vec<String>> {
    let failed = |cause| Error::io(folder, "read", cause);
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A text and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// A file itself, or every `.txt` file in a folder and the folders in it, in order of their paths.
pub fn text_files(path: &Path) -> Result<Vec<PathBuf>> {
    let about = fs::metadata(path).map_err(|cause| Error::io(path, "read", cause))?;
    let mut files = Vec::new();
    if about.is_dir() {
        collect(path, DEEPEST, &mut files)?;
        files.sort();
    } else {
        files.push(path.to_path_buf());
    }
    if files.is_empty() {
        let what = "a folder without .txt files".into();
        return Err(Error::Unsupported { place: path.into(), what, remedy: "Name a folder of texts, or a text file" });
    }
    Ok(files)
}

/// What the files of [`text_files`] say; each must be UTF-8.
pub fn read_texts(path: &Path) -> Result<Vec<Text>> {
    let one = |path: PathBuf| {
        let bytes = read(&path, LONGEST_TEXT)?;
        let text = String::from_utf8(bytes).map_err(|wrong| Error::Unsupported {
            place: path.as_path().into(),
            what: format!("not UTF-8 text (byte {})", wrong.utf8_error().valid_up_to()),
            remedy: "Convert it to UTF-8",
        })?;
        Ok(Text { path, text })
    };
    text_files(path)?.into_iter().map(one).collect()
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |cause| Error::io(folder, "read", cause);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        } else if path.is_file() && path.extension().is_some_and(|e| e == "txt") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_folder_come_in_order_of_their_paths() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            create_folder(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("b/one.txt", "é".as_bytes());
        put("a.txt", b"");
        put("b/notes.md", b"no");
        let texts = read_texts(dir.path()).unwrap();
        let found: Vec<_> =
            texts.iter().map(|t| (t.path.strip_prefix(dir.path()).unwrap().to_str().unwrap(), &*t.text)).collect();
        assert_eq!(found, [("a.txt", ""), ("b/one.txt", "é")]);
        assert_eq!(names_in(&dir.path().join("b")).unwrap(), ["notes.md", "one.txt"]);
        assert_eq!(names_in(&dir.path().join("c")).unwrap(), Vec::<String>::new());
        assert_eq!(read_texts(&dir.path().join("b/notes.md")).unwrap()[0].text, "no", "a file is what it is");
    }

    #[test]
    fn what_is_no_text_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &Path, part: &str| {
            let message = read_texts(path).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        told(dir.path(), "a folder without .txt files");
        told(&dir.path().join("none"), "no such file");
        let latin = dir.path().join("latin.txt");
        fs::write(&latin, b"caf\xe9").unwrap();
        told(&latin, "not UTF-8 text (byte 3)");
        let message = create_folder(&latin.join("x")).unwrap_err().to_string();
        assert!(message.contains("a file lies where a folder is to be made"), "{message}");
        remove_file(&latin).unwrap();
        remove_file(&latin).unwrap();
        assert!(!latin.exists());
    }
}
