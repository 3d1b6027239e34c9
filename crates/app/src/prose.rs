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
}
