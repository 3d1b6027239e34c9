//! Graphs, drawn in ranks from the bottom up.

use super::canvas::{Anchor, Canvas, INK, MUTED, PANEL, RULE, number};
use super::font::{Face, fit, measure};
use crate::kind::graph::Graph;
use crate::render::numerals;
use crate::render::palette;
use crate::visible::visible;

const HIGH: f64 = 26.0;
const PITCH: f64 = 78.0;
const MOST_NODES: usize = 2000;
/// The strongest edges are drawn.
const MOST_EDGES: usize = 5000;

pub(super) fn draw(figure: &Graph) -> Canvas {
    let nodes = figure.nodes.len().min(MOST_NODES);
    let ranks = figure.ranks();
    let labels: Vec<String> =
        figure.nodes.iter().take(nodes).map(|node| fit(&node.label, 11.5, Face::Regular, 150.0)).collect();
    let widths: Vec<f64> = labels.iter().map(|label| measure(label, 11.5, Face::Regular) + 18.0).collect();
    let places = places(figure, &ranks[..nodes], &widths);
    // Ranks that hold nothing take no room.
    let mut levels = ranks[..nodes].to_vec();
    levels.sort_unstable();
    levels.dedup();
    let level = |node: usize| levels.binary_search(&ranks[node]).unwrap_or(0);
    let height = levels.len().max(1) as f64 * PITCH - (PITCH - HIGH);
    let y = |node: usize| height - HIGH - level(node) as f64 * PITCH;
    let right = (0..nodes).map(|node| places[node] + widths[node]).fold(60.0, f64::max);
    let mut canvas = Canvas::new(right + 2.0, height + 2.0);
    let mut edges: Vec<_> = figure.edges.iter().filter(|edge| (edge.from.max(edge.to) as usize) < nodes).collect();
    edges.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    edges.truncate(MOST_EDGES);
    let strongest = edges.iter().map(|edge| edge.weight.abs()).filter(|w| w.is_finite()).fold(0.0, f64::max);
    for edge in edges.iter().rev() {
        let (from, to) = (edge.from as usize, edge.to as usize);
        let share = if strongest > 0.0 { (edge.weight.abs() / strongest).clamp(0.0, 1.0) } else { 0.0 };
        let [x1, x2] = [from, to].map(|node| places[node] + widths[node] / 2.0);
        let (y1, y2) = (y(from), y(to) + HIGH);
        let bend = ((y1 - y2) / 2.0).max(18.0);
        let path = [x1, y1, x1, y1 - bend, x2, y2 + bend, x2, y2].map(number);
        canvas.element(&format!(
            "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\"/>",
            path[0],
            path[1],
            path[2],
            path[3],
            path[4],
            path[5],
            path[6],
            path[7],
            palette::category(usize::from(edge.weight < 0.0)).hex(),
            number(0.75 + 4.0 * share),
            number(0.35 + 0.5 * share),
        ));
        let told = format!(
            "{} → {}\n{}",
            visible(&figure.nodes[from].label),
            visible(&figure.nodes[to].label),
            numerals::exact(edge.weight)
        );
        canvas.tell([f64::midpoint(x1, x2), f64::midpoint(y1, y2)], [0.0, 0.0], told);
    }
    for node in 0..nodes {
        let at = [places[node], y(node)];
        let paint = format!("rx=\"5\" {} stroke=\"#8c959f\" stroke-width=\"1\"", PANEL.attributes("fill"));
        canvas.rect(at, [widths[node], HIGH], &paint);
        let middle = [at[0] + widths[node] / 2.0, at[1] + HIGH / 2.0 + 4.0];
        canvas.text(middle, 11.5, Anchor::Middle, INK, &labels[node]);
        let value = figure.nodes[node].value.map(numerals::exact);
        let detail = figure.nodes[node].detail.lines().map(visible);
        let told: Vec<String> = [visible(&figure.nodes[node].label)].into_iter().chain(value).chain(detail).collect();
        canvas.tell(at, [widths[node], HIGH], told.join("\n"));
    }
    if !figure.weight_label.is_empty() {
        key(&mut canvas, figure);
    }
    if figure.nodes.len() > nodes {
        canvas.height += 18.0;
        let note = format!("and {} more nodes", numerals::grouped(figure.nodes.len() - nodes));
        canvas.text([0.0, canvas.height - 4.0], 11.0, Anchor::Start, MUTED, &note);
    }
    canvas
}

/// The left edges of nodes: by column where columns are given, none over another.
fn places(figure: &Graph, ranks: &[u32], widths: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by_key(|&node| (ranks[node], figure.nodes[node].column.unwrap_or(u32::MAX), node));
    // Columns that hold nothing take no room either.
    let mut columns: Vec<u32> = figure.nodes.iter().filter_map(|node| node.column).collect();
    columns.sort_unstable();
    columns.dedup();
    let pitch = widths.iter().copied().fold(0.0, f64::max) + 22.0;
    let mut places = vec![0.0; ranks.len()];
    let (mut rank, mut free) = (None, 0.0);
    for node in order {
        if rank != Some(ranks[node]) {
            (rank, free) = (Some(ranks[node]), 0.0);
        }
        let wanted = figure.nodes[node].column.and_then(|column| columns.binary_search(&column).ok());
        let wanted = wanted.map_or(free, |column| column as f64 * pitch + (pitch - 22.0 - widths[node]) / 2.0);
        places[node] = wanted.max(free);
        free = places[node] + widths[node] + 16.0;
    }
    places
}

/// What the widths and colours of edges are.
fn key(canvas: &mut Canvas, figure: &Graph) {
    let y = canvas.height + 20.0;
    let mut x = 0.0;
    for (i, sign) in ["positive", "negative"].into_iter().enumerate() {
        if i == 1 && figure.edges.iter().all(|edge| edge.weight >= 0.0) {
            break;
        }
        canvas.element(&format!(
            "<line x1=\"{x}\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" stroke=\"{2}\" stroke-width=\"3\"/>",
            number(y),
            number(x + 20.0),
            palette::category(i).hex()
        ));
        let text = fit(&format!("{sign} {}", figure.weight_label), 11.0, Face::Regular, 220.0);
        canvas.text([x + 26.0, y + 4.0], 11.0, Anchor::Start, MUTED, &text);
        x += 26.0 + measure(&text, 11.0, Face::Regular) + 22.0;
    }
    canvas.widen(x);
    canvas.height = y + 8.0;
    canvas.line([0.0, y - 12.0], [canvas.width, y - 12.0], 0.5, RULE);
}
