//! Neurons over a text.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// Where in a text neurons of a layer are active.
///
/// The text is coloured by the activation of one neuron at each token: what stands behind the non-linearity, and where
/// the layer is gated, behind the product with its gate. Without `--neuron` the neurons are given whose activation is
/// largest in magnitude somewhere in the text, and the map below the text shows all of them at once.
///
/// Caveat: a neuron that is strong on one text says little of what it stands for; `top_samples` looks through a longer
/// one.
///
/// Source: the text views of `CircuitsVis` and of `OpenAI`'s neuron viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activations {
    /// The text to look at.
    pub prompt: PromptRef,
    /// The layer, counted from 0.
    #[serde(default)]
    pub layer: usize,
    /// Only this neuron, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neuron: Option<usize>,
    /// How many of the strongest neurons to give.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
}

fn default_k() -> usize {
    12
}

/// Activations of neurons of one layer, the strongest neuron first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The neurons' layer.
    pub layer: usize,
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// The neurons, [neuron].
    pub neurons: Array<u32>,
    /// Their activations, [neuron, pos].
    pub activations: Array<f32>,
}

const CAPTION: &str = "Tokens are coloured by the neuron's activation at them.";

impl View for Activations {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_per_layer(spec, "mlp.post")
    }

    fn example() -> Self {
        Self { prompt: PromptRef::Tokens(vec![3, 5, 7, 5, 3]), layer: 1, neuron: None, k: 4 }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let tick = &mut |done, of| cx.tick(done, of);
        let found = methods::activations(cx.subject(&prompt.ids)?, self.layer, self.neuron, self.k, tick)?;
        let shape = [found.neurons.len(), prompt.ids.len()];
        Ok(Output {
            layer: self.layer,
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            neurons: Array::vector(Dim::Neuron, found.neurons.iter().map(|&neuron| neuron as u32).collect()),
            activations: Array::new([Dim::Neuron, Dim::Pos], shape, found.data)?,
        })
    }

    fn draw(output: &Output) -> Figure {
        let neurons = output.neurons.data();
        let words = || output.tokens.data().iter().map(String::as_str);
        let colour = || ColourScale::diverging().label("activation");
        let guide = || Guide::new("neuron").ticks(neurons.iter().map(u32::to_string)).indices(neurons.iter().copied());
        let text = Tokens::new(words()).colour(colour()).at(Dim::Layer, output.layer);
        if let &[neuron] = neurons {
            return text
                .caption(CAPTION)
                .values(output.activations.data().to_vec())
                .title(format!("Neuron {neuron} of layer {}", output.layer))
                .at(Dim::Neuron, neuron as usize)
                .into();
        }
        let map = Heatmap::new(output.activations.clone())
            .colour(colour())
            .x(Guide::new("token").ticks(words()))
            .y(guide())
            .title("All of them")
            .at(Dim::Layer, output.layer);
        Group::new([Figure::from(text.values_of(guide(), output.activations.clone())), map.into()])
            .title(format!("The {} strongest neurons of layer {}", neurons.len(), output.layer))
            .caption(CAPTION)
            .caveat("What a neuron does on one text says little of what it stands for.")
            .into()
    }
}
