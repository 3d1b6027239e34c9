//! Doc comments as help text.

/// Paragraphs without the line breaks of the source.
pub(crate) fn paragraphs(doc: &str) -> String {
    let paragraphs = doc.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The first sentence, for lists.
pub(crate) fn summary(doc: &str) -> String {
    let text = paragraphs(doc);
    let first = text.split("\n\n").next().unwrap_or_default();
    first.split_once(". ").map_or(first, |(sentence, _)| sentence).trim_end_matches('.').to_owned()
}

/// Words with their meanings, the meanings wrapped to a width and set off from the words.
pub(crate) fn definitions(items: &[(String, String)], width: usize) -> String {
    let indent = items.iter().map(|(word, _)| word.chars().count()).max().unwrap_or(0) + 4;
    let mut text = String::new();
    for (word, meaning) in items {
        let lines = wrapped(meaning, width.saturating_sub(indent).max(20));
        for (i, line) in lines.iter().enumerate() {
            let start = if i == 0 { format!("  {word}") } else { String::new() };
            text.push_str(format!("{start:indent$}{line}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// A paragraph as lines of at most so many characters, where its words allow; at least one.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_the_source_are_undone() {
        let doc = "What it is. And\nmore of it.\n\nSecond\nparagraph.";
        assert_eq!(paragraphs(doc), "What it is. And more of it.\n\nSecond paragraph.");
        assert_eq!(summary(doc), "What it is");
        assert_eq!(summary(""), "");
    }

    #[test]
    fn meanings_stand_in_a_column() {
        let items = [("a".to_owned(), "one two three four five".to_owned()), ("long".to_owned(), String::new())];
        assert_eq!(definitions(&items, 10), "  a     one two three four\n        five\n  long\n");
        assert_eq!(wrapped("aa bb ccccccccc d", 5), ["aa bb", "ccccccccc", "d"]);
    }
}
