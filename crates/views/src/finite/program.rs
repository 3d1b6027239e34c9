//! The program in a network, beside the network.

use engine::Spec;
use extract::{Extraction, Waves};
use figure::{Array, Dim, Figure};
use methods::finite::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extraction_figure::extraction_figure;
use crate::{Cx, PromptRef, Result, View, Why, extracted};

/// The program that a network computes, read out of its weights, beside the network itself.
///
/// A network that adds modulo p by turning gives answer c the score Σ α cos(2πk(L − c)/p + φ) over a few frequencies k, its
/// key frequencies, where L is what its tokens add up to. These are read from the map from neurons to logits, and how far
/// each token turns from the stream; the answer is where the sum is largest. That is the mechanism, a program with constants
/// of the network. Where the sum is largest follows from a formula, the closed form, which is searched and then compared on
/// the whole domain. The evidence table holds both against what should come out otherwise.
///
/// For one input both computations stand side by side: the score that every wave gives to every answer, their sum, and the
/// network's own logits. For one frequency its neurons are shown: how strongly each writes the frequency's cosine and sine
/// into the logits, those that compute with this frequency apart from the others.
///
/// A network that learnt the products of a group that does not commute has characters of the group's representations in
/// place of cosines (Chughtai et al., "A Toy Model of Universality", 2023): then there are program and evidence, and no waves.
///
/// `pellucid extract MODEL -o FOLDER` writes the program as code; the edit `blocks.0.resid_post[pos=-1]=program:FOLDER` then
/// puts it into the network. Where no program is found the answer says why. Edits are in force.
///
/// Caveat: what the waves leave unexplained of the logits is told, and is not in the program. A map from neurons to logits
/// does not change with edits, so under them frequencies may be named that the network uses no more.
///
/// Source: Nanda et al., "Progress measures for grokking via mechanistic interpretability" (2023), section 4.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The input to look at; without one, the one that two fifths of all others come before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptRef>,
    /// The frequency whose neurons are shown; without one, the strongest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub term: Option<usize>,
    /// Seed of the frequencies that are drawn for comparison.
    #[serde(default)]
    pub seed: u64,
}

/// The program, what it was read from, and both computations for one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The kind of program; null where none is believed.
    pub family: Option<String>,
    /// Why, in words.
    pub why: String,
    /// The closed form as a formula; null where there is none.
    pub closed_form: Option<String>,
    /// The closed form as Rust.
    pub closed_form_code: Option<String>,
    /// The mechanism as Rust; null where none is believed.
    pub mechanism_code: Option<String>,
    /// Inputs that there are; null if more than 2^64.
    pub domain_size: Option<u64>,
    /// Inputs that the closed form, or else the mechanism, answers as the network; null where there is neither.
    pub agree_network: Option<u64>,
    /// The part of the variance of logits that the mechanism explains, its waves where it has any; null without one.
    pub logit_fve: Option<f64>,
    /// The input's tokens, [pos].
    pub ids: Array<u32>,
    /// The input's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Tokens that are answers, `[d_vocab]`.
    pub answers: Array<u32>,
    /// The answers as text, `[d_vocab]`.
    pub answer_words: Array<String>,
    /// The network's logits of the answers, without their mean, `[d_vocab]`; empty if it cannot be run on all inputs.
    pub logits: Array<f32>,
    /// What each wave adds to the score of each answer, `[row, d_vocab]`; NaN where an answer has no place among the waves.
    pub waves: Array<f32>,
    /// The sum of the waves, `[d_vocab]`.
    pub sum: Array<f32>,
    /// The token that the network answers with; null if it cannot be run on all inputs.
    pub network_answer: Option<u32>,
    /// The token for which the sum of the waves is largest; null where there is no sum.
    pub waves_answer: Option<u32>,
    /// The token that the closed form gives; null where there is none.
    pub closed_form_answer: Option<u32>,
    /// The frequencies of the waves, [row], in falling order of amplitude.
    pub frequencies: Array<u32>,
    /// Their amplitudes in logits, [row].
    pub amplitudes: Array<f32>,
    /// Their phases in radians, [row].
    pub phases: Array<f32>,
    /// How many neurons each frequency explains best, [row]; NaN where that was not looked at.
    pub neuron_counts: Array<f32>,
    /// The frequency whose neurons are shown; null where there are none.
    pub term: Option<usize>,
    /// The neurons' layer, counted from 0; null where there are none.
    pub layer: Option<usize>,
    /// How much of its cosine each neuron writes into the logits of answers, for an activation of 1, [neuron].
    pub neuron_cosine: Array<f32>,
    /// How much of its sine, [neuron].
    pub neuron_sine: Array<f32>,
    /// The frequency that explains each neuron best, [neuron]; 0 where none explains anything, or it was not looked at.
    pub neuron_frequencies: Array<u32>,
    /// The part of each neuron's variance that this frequency explains, [neuron]; NaN where that was not looked at.
    pub neuron_explained: Array<f32>,
    /// Statements about the program, [row].
    pub statements: Array<String>,
    /// The figure of each, [row].
    pub values: Array<f32>,
    /// What each is held against, [row]; NaN where there is nothing.
    pub controls: Array<f32>,
    /// What that is, in words, [row].
    pub controls_are: Array<String>,
}

impl View for Program {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        let none = "its configuration does not say for which inputs it was made (`domain` in config.json)";
        spec.domain.as_ref().map(|_| ()).ok_or_else(|| Why(none.into()))?;
        Why::needs_vocabulary(spec)
    }

    fn example() -> Self {
        Self::default()
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let finite = Finite::new(cx.model()?, cx.edits_in_force(), cx.memory_limit())?;
        let pinned = self.prompt.as_ref().map(|prompt| Ok::<_, crate::Error>(cx.prompt(prompt)?.ids)).transpose()?;
        if let Some(ids) = pinned.as_ref().filter(|ids| finite.domain.index(ids).is_none()) {
            let shown: Vec<String> = ids.iter().take(8).map(u32::to_string).collect();
            let why = format!("the tokens {} are none of the inputs that the network was made for", shown.join(" "));
            return Err(engine::Error::Input(why).into());
        }
        let extraction = extracted(cx.file(), &finite, self.seed, &mut |done, of| cx.tick(done, of))?;
        Output::of(cx, &finite, &extraction, pinned, self.term)
    }

    fn draw(output: &Output) -> Figure {
        extraction_figure(output)
    }
}

impl Output {
    /// What is told of an extraction: of one input and one frequency, if they are given.
    pub fn of(
        cx: &Cx<'_>,
        finite: &Finite<'_>,
        extraction: &Extraction,
        pinned: Option<Vec<u32>>,
        term: Option<usize>,
    ) -> Result<Self> {
        let (domain, report) = (finite.domain, &extraction.report);
        let ids = pinned.unwrap_or_else(|| domain.input(domain.len().unwrap_or(u64::MAX) / 5 * 2));
        let answers: Vec<u32> = domain.answers.clone().collect();
        let waves = extraction.waves.as_ref();
        let code = |program: &Option<extract::Program>| {
            program.as_ref().map(extract::emit::rust).transpose().map_err(crate::Error::from)
        };
        let logits = extraction.table.as_ref().zip(domain.index(&ids)).map_or_else(Vec::new, |(table, input)| {
            let start = input as usize * table.vocabulary;
            centred(&table.logits[start..start + table.vocabulary][table.answers.clone()])
        });
        let tokens: Vec<u32> = domain.free().iter().map(|&at| ids[at] - domain.tokens[at].start).collect();
        let scores = waves.and_then(|waves| waves.scores(&tokens)).unwrap_or_default();
        let sum: Vec<f64> = match &scores[..] {
            [] => Vec::new(),
            all => (0..answers.len()).map(|answer| all.iter().map(|wave| wave[answer]).sum()).collect(),
        };
        let free: Vec<u32> = domain.free().iter().map(|&at| ids[at]).collect();
        let closed_form_answer = extraction.program.as_ref().map(|program| program.run(&free)).transpose()?;
        let believed = report.agree_network.or_else(|| {
            let mechanism = report.mechanism.as_ref().filter(|_| extraction.mechanism.is_some());
            mechanism.map(|mechanism| mechanism.agree_network)
        });
        let each = |of: &dyn Fn(&extract::reading::Wave) -> f64| -> Array<f32> {
            let all = waves.map_or(&[][..], |waves| &waves.waves);
            Array::vector(Dim::Row, all.iter().map(|wave| of(wave) as f32).collect())
        };
        let count = |frequency: usize| {
            let neurons = waves.and_then(|waves| waves.neurons.as_ref());
            neurons.map_or(f64::NAN, |of| of.frequency.iter().filter(|&&other| other == frequency).count() as f64)
        };
        let shown = waves.map(|waves| chosen(waves, term)).transpose()?;
        let written = waves.zip(shown).and_then(|(waves, term)| waves.written(finite.model, term)).unwrap_or_default();
        let neurons = waves.and_then(|waves| waves.neurons.as_ref());
        let of_neurons = |of: &dyn Fn(usize) -> f64| -> Array<f32> {
            Array::vector(Dim::Neuron, (0..written.len()).map(|neuron| of(neuron) as f32).collect())
        };
        let rows: Vec<f32> = scores.iter().flatten().map(|&x| x as f32).collect();
        let evidence = &report.evidence;
        Ok(Self {
            family: report.family.clone(),
            why: report.why.clone(),
            closed_form: report.closed_form.clone(),
            closed_form_code: code(&extraction.program)?,
            mechanism_code: code(&extraction.mechanism)?,
            domain_size: report.domain_size,
            agree_network: believed,
            logit_fve: report.mechanism.as_ref().map(|mechanism| mechanism.logit_fve).filter(|fve| fve.is_finite()),
            tokens: Array::vector(Dim::Pos, cx.words(&ids)?),
            ids: Array::vector(Dim::Pos, ids),
            answer_words: Array::vector(Dim::DVocab, cx.words(&answers)?),
            network_answer: largest(&logits, &answers),
            waves_answer: largest(&sum, &answers),
            closed_form_answer,
            logits: Array::vector(Dim::DVocab, logits.iter().map(|&x| x as f32).collect()),
            waves: Array::matrix(Dim::Row, Dim::DVocab, scores.len(), answers.len(), rows)?,
            sum: Array::vector(Dim::DVocab, sum.iter().map(|&x| x as f32).collect()),
            answers: Array::vector(Dim::DVocab, answers),
            frequencies: each(&|wave| wave.frequency as f64).map(|&k| k as u32),
            amplitudes: each(&|wave| wave.amplitude),
            phases: each(&|wave| wave.phase),
            neuron_counts: each(&|wave| count(wave.frequency)),
            term: shown.filter(|_| !written.is_empty()),
            layer: Waves::neurons_point(finite.model).and_then(|id| finite.model.spec().points[id.index()].layer),
            neuron_cosine: of_neurons(&|neuron| written[neuron][0]),
            neuron_sine: of_neurons(&|neuron| written[neuron][1]),
            neuron_frequencies: of_neurons(&|neuron| neurons.map_or(0.0, |of| of.frequency[neuron] as f64))
                .map(|&k| k as u32),
            neuron_explained: of_neurons(&|neuron| neurons.map_or(f64::NAN, |of| of.explained[neuron])),
            statements: Array::vector(Dim::Row, evidence.iter().map(|one| one.claim.clone()).collect()),
            values: Array::vector(Dim::Row, evidence.iter().map(|one| one.value as f32).collect()),
            controls: Array::vector(
                Dim::Row,
                evidence.iter().map(|one| one.baseline.unwrap_or(f64::NAN) as f32).collect(),
            ),
            controls_are: Array::vector(
                Dim::Row,
                evidence.iter().map(|one| one.against.clone().unwrap_or_default()).collect(),
            ),
        })
    }
}

/// The frequency that is shown.
fn chosen(waves: &Waves, term: Option<usize>) -> Result<usize> {
    let most = waves.circle.len() / 2;
    if let Some(wrong) = term.filter(|&term| term == 0 || term > most) {
        let why = format!("there is no frequency {wrong}: {} answers have 1 to {most}", waves.circle.len());
        return Err(engine::Error::Input(why).into());
    }
    Ok(term.or_else(|| waves.waves.first().map(|wave| wave.frequency)).unwrap_or(1))
}

fn centred(logits: &[f64]) -> Vec<f64> {
    let mean = logits.iter().sum::<f64>() / logits.len().max(1) as f64;
    logits.iter().map(|x| x - mean).collect()
}

/// The answer with the largest score, the first of equal ones.
fn largest(scores: &[f64], answers: &[u32]) -> Option<u32> {
    let known = scores.iter().zip(answers).filter(|(score, _)| !score.is_nan());
    known
        .fold(None, |best: Option<(f64, u32)>, (&score, &answer)| match best {
            Some((most, _)) if most >= score => best,
            _ => Some((score, answer)),
        })
        .map(|(_, answer)| answer)
}
