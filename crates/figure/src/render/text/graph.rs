//! Graphs as lists: each node with the edges that leave it, strongest first.

use super::TextStyle;
use super::block::{Block, Line, Look, clipped};
use super::canvas::category;
use crate::kind::graph::{Edge, Graph};
use crate::render::numerals;

const MOST_NODES: usize = 100;
const MOST_EDGES: usize = 8;

pub(super) fn draw(figure: &Graph, style: &TextStyle) -> Block {
    let mut block = Block::new();
    let label = |node: u32| figure.nodes.get(node as usize).map(|node| clipped(&node.label, 32));
    let mut leaving: Vec<Vec<&Edge>> = vec![Vec::new(); figure.nodes.len()];
    for edge in &figure.edges {
        if let Some(edges) = leaving.get_mut(edge.from as usize)
            && label(edge.to).is_some()
        {
            edges.push(edge);
        }
    }
    if !figure.weight_label.is_empty() {
        let note = format!("numbers: {}", figure.weight_label);
        block.line(Line::new().with(clipped(&note, style.width), Look::dim()));
    }
    for (i, edges) in leaving.iter_mut().enumerate().take(MOST_NODES) {
        edges.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let mut line = Line::new().with(label(i as u32).unwrap_or_default(), Look::bold());
        if let Some(value) = figure.nodes[i].value {
            line.push(format!("  {}", numerals::short(value)), Look::dim());
        }
        block.line(line);
        for edge in edges.iter().take(MOST_EDGES) {
            let weight = Line::new().with("  → ", Look::dim());
            let weight =
                weight.with(format!("{:>8}  ", numerals::short(edge.weight)), category(usize::from(edge.weight < 0.0)));
            block.line(weight.with(label(edge.to).unwrap_or_default(), Look::plain()));
        }
        if edges.len() > MOST_EDGES {
            let note = format!("  … {} weaker edges", numerals::grouped(edges.len() - MOST_EDGES));
            block.line(Line::new().with(note, Look::dim()));
        }
    }
    if figure.nodes.len() > MOST_NODES {
        let note = format!("… {} more nodes", numerals::grouped(figure.nodes.len() - MOST_NODES));
        block.line(Line::new().with(note, Look::dim()));
    }
    block
}
