//! CSV: long, tidy form, one row per element; a table as it stands.
//!
//! Fields are quoted as RFC 4180 says, lines end in CR LF, text is UTF-8, and numbers have the fewest
//! digits that read back as the same number; NaN and the infinities are `NaN`, `Infinity` and
//! `-Infinity`.
//!
//! Spreadsheets run text that looks like a formula, and tokens are text from outside. So words that
//! begin with `=`, `+`, `-` or `@` *and* could do something (they hold `(`, `|` or `!`, without which
//! no function, no other program and no other sheet is reached) get an apostrophe in front, which makes
//! them plain text there. Ordinary tokens such as `=`, `->` or `+=` stay as they are. The JSON form
//! never changes a word.

use crate::array::Array;
use crate::figure::Figure;
use crate::guide::Guide;
use crate::kind::table::{Cells, Table};
use crate::{Bars, Element, Graph, Heatmap, Histogram, Images, Lines, Scatter, Tokens};

/// The numbers and words of a figure as CSV.
///
/// Arrays come in long form: the index along each axis, the name of the place where it has one, then
/// the values. A figure with several parts gives them one after the other, an empty line between.
pub fn csv(figure: &Figure) -> String {
    match figure {
        Figure::Text(figure) => column("text", figure.body.lines()),
        Figure::Code(figure) => column("line", figure.source.lines()),
        Figure::Table(figure) => table(figure),
        Figure::Tokens(figure) => tokens(figure),
        Figure::Heatmap(figure) => heatmap(figure),
        Figure::Lines(figure) => lines(figure),
        Figure::Scatter(figure) => scatter(figure),
        Figure::Bars(figure) => bars(figure),
        Figure::Histogram(figure) => histogram(figure),
        Figure::Graph(figure) => graph(figure),
        Figure::Images(figure) => images(figure),
        Figure::Compare(figure) => parts([csv(&figure.a), csv(&figure.b)]),
        Figure::Group(figure) => parts(figure.figures.iter().map(csv)),
    }
}

fn parts(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\r\n")
}

/// Rows under a heading.
struct Sheet(String);

impl Sheet {
    fn new(headings: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut sheet = Sheet(String::new());
        sheet.row(headings.into_iter().map(|heading| word(heading.as_ref())));
        sheet
    }

    fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        for (i, field) in fields.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            self.0.push_str(&field);
        }
        self.0.push_str("\r\n");
    }
}

fn word(text: &str) -> String {
    let acts = text.trim_start().starts_with(['=', '+', '-', '@']) && text.contains(['(', '|', '!']);
    let guard = if acts { "'" } else { "" };
    if acts || text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn number<T: Element>(value: &T) -> String {
    // The JSON form of an element, without the quotes of NaN and the infinities.
    let json = value.write(serde_json::value::Serializer).unwrap_or_default();
    json.as_str().map_or_else(|| json.to_string(), ToOwned::to_owned)
}

fn column<'a>(heading: &str, words: impl Iterator<Item = &'a str>) -> String {
    let mut sheet = Sheet::new([heading]);
    words.for_each(|line| sheet.row([word(line)]));
    sheet.0
}

/// The index along each axis of every element in order, with the names that guides give to places.
fn long<T>(
    array: &Array<T>,
    guides: &[&Guide],
    values: &[&str],
    fields: impl Fn(usize, &[usize]) -> Vec<String>,
) -> String {
    // Guides belong to the last axes; those in front of the first axis are of no use.
    let guide = |axis: usize| (axis + guides.len()).checked_sub(array.rank()).and_then(|i| guides.get(i)).copied();
    let named = |axis: usize| guide(axis).is_some_and(|guide| !guide.ticks.is_empty());
    let mut headings = Vec::new();
    for (i, axis) in array.dims().iter().enumerate() {
        headings.push(axis.to_string());
        if named(i) {
            headings.push(format!("{axis} name"));
        }
    }
    headings.extend(values.iter().map(|&value| value.to_owned()));
    let mut sheet = Sheet::new(headings);
    let mut index = vec![0; array.rank()];
    for flat in 0..array.len() {
        let mut rest = flat;
        for (axis, &size) in array.shape().iter().enumerate().rev() {
            index[axis] = rest % size;
            rest /= size;
        }
        let mut row = Vec::new();
        for (axis, &place) in index.iter().enumerate() {
            let index = guide(axis).map_or(place, |guide| guide.index(place));
            row.push(if index == Guide::NONE as usize { String::new() } else { index.to_string() });
            if named(axis) {
                row.push(
                    guide(axis).and_then(|guide| guide.ticks.get(place)).map_or_else(String::new, |name| word(name)),
                );
            }
        }
        row.extend(fields(flat, &index));
        sheet.row(row);
    }
    sheet.0
}

fn heatmap(figure: &Heatmap) -> String {
    let labels = figure.labels.as_ref().filter(|labels| labels.len() == figure.values.len());
    let values: &[&str] = if labels.is_some() { &["value", "label"] } else { &["value"] };
    long(&figure.values, &[&figure.panels, &figure.y, &figure.x], values, |flat, _| {
        let mut row = vec![number(&figure.values.data()[flat])];
        row.extend(labels.map(|labels| word(&labels.data()[flat])));
        row
    })
}

fn tokens(figure: &Tokens) -> String {
    if let (&[_, n], false) = (figure.values.shape(), figure.values.is_empty()) {
        return long(&figure.values, &[&figure.series, &Guide::default()], &["token", "value"], |flat, _| {
            let token = figure.tokens.data().get(flat % n);
            vec![token.map_or_else(String::new, |token| word(token)), number(&figure.values.data()[flat])]
        });
    }
    let values: &[&str] = if figure.values.is_empty() { &["token"] } else { &["token", "value"] };
    long(&figure.tokens, &[], values, |flat, _| {
        let mut row = vec![word(&figure.tokens.data()[flat])];
        if !figure.values.is_empty() {
            row.push(figure.values.data().get(flat).map_or_else(String::new, number));
        }
        row
    })
}

fn lines(figure: &Lines) -> String {
    let edge = |flat: usize, i: usize| Some(number(figure.band.as_ref()?[i].data().get(flat)?));
    let mut values = vec!["x", "y"];
    if figure.band.is_some() {
        values.extend(["low", "high"]);
    }
    long(&figure.y, &[&figure.series, &figure.x_axis], &values, |flat, index| {
        let place = index.last().copied().unwrap_or(0);
        let x = match &figure.x {
            Some(x) => x.data().get(place).map_or_else(String::new, number),
            None => place.to_string(),
        };
        let mut row = vec![x, number(&figure.y.data()[flat])];
        if figure.band.is_some() {
            row.extend([0, 1].map(|i| edge(flat, i).unwrap_or_default()));
        }
        row
    })
}

fn bars(figure: &Bars) -> String {
    long(&figure.values, &[&figure.series, &figure.bars], &["value"], |flat, _| {
        vec![number(&figure.values.data()[flat])]
    })
}

fn histogram(figure: &Histogram) -> String {
    let edge = |i: usize| figure.edges.data().get(i).map_or_else(String::new, number);
    long(&figure.counts, &[&figure.series, &Guide::default()], &["low", "high", "count"], |flat, index| {
        let bin = index.last().copied().unwrap_or(0);
        vec![edge(bin), edge(bin + 1), number(&figure.counts.data()[flat])]
    })
}

fn scatter(figure: &Scatter) -> String {
    let mut values = vec!["x", "y"];
    let optional =
        [("value", figure.values.is_some()), ("class", figure.classes.is_some()), ("name", !figure.names.is_empty())];
    values.extend(optional.iter().filter(|(_, there)| *there).map(|(name, _)| *name));
    long(&figure.x, &[], &values, |flat, _| {
        let mut row = vec![number(&figure.x.data()[flat]), figure.y.data().get(flat).map_or_else(String::new, number)];
        if let Some(values) = &figure.values {
            row.push(values.data().get(flat).map_or_else(String::new, number));
        }
        if let Some(classes) = &figure.classes {
            let class = classes.data().get(flat);
            let name = class.and_then(|&class| figure.class_names.get(class as usize));
            row.push(name.map(|name| word(name)).or_else(|| class.map(number)).unwrap_or_default());
        }
        if !figure.names.is_empty() {
            row.push(figure.names.get(flat).map_or_else(String::new, |name| word(name)));
        }
        row
    })
}

fn images(figure: &Images) -> String {
    long(&figure.pixels, &[], &["value"], |flat, _| vec![number(&figure.pixels.data()[flat])])
}

fn graph(figure: &Graph) -> String {
    let mut sheet = Sheet::new(["from", "from name", "to", "to name", "weight"]);
    let name = |node: u32| figure.nodes.get(node as usize).map_or_else(String::new, |node| word(&node.label));
    for edge in &figure.edges {
        sheet.row([edge.from.to_string(), name(edge.from), edge.to.to_string(), name(edge.to), number(&edge.weight)]);
    }
    sheet.0
}

fn table(figure: &Table) -> String {
    let mut sheet = Sheet::new(figure.columns.iter().map(|column| &column.name));
    for row in 0..figure.height() {
        sheet.row(figure.columns.iter().map(|column| match &column.cells {
            // A number that is missing is left blank, as on the page.
            Cells::Numbers(numbers) => numbers.data().get(row).filter(|x| !x.is_nan()).map_or_else(String::new, number),
            Cells::Words(words) => words.data().get(row).map_or_else(String::new, |text| word(text)),
        }));
    }
    sheet.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Dim;
    use crate::{Group, Text};

    #[test]
    fn a_heatmap_is_one_row_per_cell() {
        let values = Array::matrix(Dim::Layer, Dim::Pos, 2, 2, vec![0.1, f32::NAN, 3.0, f32::INFINITY]).unwrap();
        let labels = values.map(|_| " \"x\",".to_owned());
        let figure = Heatmap::new(values)
            .labels(labels)
            .y(Guide::default().ticks(["embed", "0"]))
            .x(Guide::default().indices([4, 7]));
        assert_eq!(
            csv(&figure.into()),
            "layer,layer name,pos,value,label\r\n\
             0,embed,4,0.1,\" \"\"x\"\",\"\r\n\
             0,embed,7,NaN,\" \"\"x\"\",\"\r\n\
             1,0,4,3.0,\" \"\"x\"\",\"\r\n\
             1,0,7,Infinity,\" \"\"x\"\",\"\r\n"
        );
    }

    #[test]
    fn words_that_could_act_are_guarded_and_others_kept() {
        assert_eq!(word("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
        assert_eq!(word("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(word("-cmd|x"), "\"'-cmd|x\"");
        for kept in ["=", "->", "+=", "-1", "@property", "a(b)"] {
            assert_eq!(word(kept), kept);
        }
        assert_eq!(word("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn a_table_is_itself_and_parts_are_apart() {
        let scores = Table::new(Dim::Head).words("head", ["L0H1", "L2H0", "L9H9"]).numbers("score", [0.25, f64::NAN]);
        let sheet = "head,score\r\nL0H1,0.25\r\nL2H0,\r\nL9H9,\r\n";
        assert_eq!(csv(&scores.clone().into()), sheet);
        let both = Group::new([Figure::from(Text::new("one\ntwo")), scores.into()]);
        assert_eq!(csv(&both.into()), format!("text\r\none\r\ntwo\r\n\r\n{sheet}"));
    }
}
