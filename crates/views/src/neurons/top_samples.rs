//! Where in a long text a neuron is strongest.

use engine::{Error, Spec};
use figure::{Array, ColourScale, Dim, Figure, Group, Table, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CorpusRef, Cx, PromptRef, Result, View, Why};

/// The pieces of a text in which a neuron is most active, and the tokens at which it is.
///
/// A text file, or every `.txt` file of a folder, or else the prompt, is read in pieces of equal length, each by itself.
/// Given are the pieces with the largest activation of the neuron, coloured by it, all on one scale; and the tokens with
/// the largest mean activation, with how often they stand in the text. Reading what the pieces have in common suggests
/// what the neuron answers to.
///
/// Caveats: the extremes of a neuron may have little to do with what it does in between (Bolukbasi et al. 2021, "An
/// Interpretability Illusion for BERT"). A token that stands in the text once can lead the list by chance: look at its
/// count. Each piece begins without what stands before it.
///
/// Source: the top-k views of `CircuitsVis`; Bills et al. 2023, "Language models can explain neurons in language models".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopSamples {
    /// A text file or a folder of them, to be read in place of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<CorpusRef>,
    /// A long text.
    #[serde(default)]
    pub prompt: Option<PromptRef>,
    /// The neuron's layer, counted from 0.
    #[serde(default)]
    pub layer: usize,
    /// The neuron, counted from 0.
    #[serde(default)]
    pub neuron: usize,
    /// How many pieces and how many tokens to give.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
    /// Tokens of a piece.
    #[serde(default = "default_length")]
    #[schemars(range(min = 1))]
    pub length: usize,
    /// How many pieces to read at most, from the beginning.
    #[serde(default = "default_pieces")]
    #[schemars(range(min = 1))]
    pub pieces: usize,
}

fn default_k() -> usize {
    8
}

fn default_length() -> usize {
    48
}

fn default_pieces() -> usize {
    256
}

/// The strongest pieces and tokens of one neuron. Pieces that are shorter than others are filled with empty tokens and
/// NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The neuron's layer.
    pub layer: usize,
    /// The neuron that was asked about.
    pub neuron: usize,
    /// How many pieces were read.
    pub pieces: usize,
    /// Mean activation over all positions.
    pub mean: f64,
    /// Share of positions at which the activation is above 0.
    pub active: f64,
    /// Where in the text each piece begins, in tokens, the strongest piece first, [k].
    pub starts: Array<u32>,
    /// Largest activation of each piece, [k].
    pub peaks: Array<f32>,
    /// Tokens of the pieces, [k, pos].
    pub sample_tokens: Array<String>,
    /// Activations at them, [k, pos].
    pub sample_activations: Array<f32>,
    /// Ids of the tokens with the largest mean activation, highest first, [k].
    pub top_ids: Array<u32>,
    /// The same as text, [k].
    pub top_tokens: Array<String>,
    /// Their mean activations, [k].
    pub top_means: Array<f32>,
    /// How often they stand in the text, [k].
    pub top_counts: Array<u32>,
}

impl View for TopSamples {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_per_layer(spec, "mlp.post")
    }

    fn example() -> Self {
        let prompt = Some(PromptRef::Tokens((0..24).map(|i| (i * i) % 19).collect()));
        Self { text: None, prompt, layer: 0, neuron: 3, k: 2, length: 5, pieces: 4 }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let most = self.pieces.saturating_mul(self.length);
        let source = match (&self.text, &self.prompt) {
            (Some(text), _) => PromptRef::Text(cx.text(text, most)?),
            (None, Some(prompt)) => prompt.clone(),
            (None, None) => {
                let why = "there is no text to look through: give --text FILE, or a long prompt";
                return Err(Error::Input(why.into()).into());
            }
        };
        let mut prompt = cx.prompt(&source)?;
        prompt.ids.truncate(most);
        let subject = cx.subject(&prompt.ids)?;
        let tick = &mut |done, of| cx.tick(done, of);
        let found = methods::strongest(subject, self.layer, self.neuron, self.length, self.k, tick)?;
        let longest = found.samples.iter().map(|sample| sample.values.len()).max().unwrap_or(0);
        let (mut words, mut values) = (Vec::new(), Vec::new());
        for sample in &found.samples {
            let n = sample.values.len();
            words.extend(prompt.words[sample.start..sample.start + n].iter().cloned());
            words.resize(words.len() + longest - n, String::new());
            values.extend(&sample.values);
            values.resize(values.len() + longest - n, f32::NAN);
        }
        let shape = [found.samples.len(), longest];
        let ids: Vec<u32> = found.tokens.iter().map(|token| token.id).collect();
        Ok(Output {
            layer: self.layer,
            neuron: self.neuron,
            pieces: found.pieces,
            mean: found.mean,
            active: found.active,
            starts: Array::vector(Dim::K, found.samples.iter().map(|sample| sample.start as u32).collect()),
            peaks: Array::vector(Dim::K, found.samples.iter().map(methods::Sample::peak).collect()),
            sample_tokens: Array::new([Dim::K, Dim::Pos], shape, words)?,
            sample_activations: Array::new([Dim::K, Dim::Pos], shape, values)?,
            top_tokens: Array::vector(Dim::K, cx.words(&ids)?),
            top_ids: Array::vector(Dim::K, ids),
            top_means: Array::vector(Dim::K, found.tokens.iter().map(|token| token.mean as f32).collect()),
            top_counts: Array::vector(Dim::K, found.tokens.iter().map(|token| token.count as u32).collect()),
        })
    }

    fn draw(output: &Output) -> Figure {
        let colour = ColourScale::diverging().label("activation");
        let table = Table::new(Dim::K)
            .words("token", output.top_tokens.data().iter().map(String::as_str))
            .floats("mean activation", output.top_means.data().iter().copied())
            .coloured(colour.clone())
            .numbers("times", output.top_counts.data().iter().map(|&count| f64::from(count)))
            .decimals(0)
            .title("Tokens with the largest mean activation");
        let [low, high] = colour.ends(output.sample_activations.data().iter().map(|&x| f64::from(x)));
        let width = output.sample_tokens.size(Dim::Pos).unwrap_or(0);
        let sample = |i: usize| {
            let row = i * width..(i + 1) * width;
            let words = output.sample_tokens.data()[row.clone()].iter().map(String::as_str);
            let values = output.sample_activations.data()[row].to_vec();
            let (start, peak) = (output.starts.data()[i], output.peaks.data()[i]);
            let last = start as usize + values.iter().filter(|x| !x.is_nan()).count() - 1;
            let mut figure = Tokens::new(words).values(values).colour(colour.clone().domain(low, high));
            // These are places of another text than the prompt's.
            figure.tokens = Array::vector(Dim::Row, figure.tokens.data().to_vec());
            figure.title(format!("Tokens {start} to {last}: up to {peak:.3}")).into()
        };
        let samples = (0..output.starts.len()).map(sample);
        Group::new([Figure::from(table)].into_iter().chain(samples))
            .title(format!("Where neuron {} of layer {} is strongest", output.neuron, output.layer))
            .caption(format!(
                "Of {} pieces. The mean activation is {:.4}; it is above 0 at {:.1} % of the tokens.",
                output.pieces,
                output.mean,
                output.active * 100.0
            ))
            .caveat("The extremes of a neuron may have little to do with what it does in between.")
            .at(Dim::Layer, output.layer)
            .at(Dim::Neuron, output.neuron)
            .into()
    }
}
