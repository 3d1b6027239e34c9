//! Saliency: how much each token of a prompt matters for a logit, by gradients and by replacement.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Array, Batch, Capture, Edit, Error, Index, Logits, Objective, Op, PointId, Result, Run, Term, Value, Where,
    gradients,
};

use crate::integrate::integrate;
use crate::{Subject, Tick};

/// Bytes that logits, their gradient and what is derived from them may take at once.
const AT_ONCE: usize = 256 << 20;
/// Bytes for each logit while a gradient is taken.
const BYTES_PER_LOGIT: usize = 24;
/// Embedding rows that are averaged at once.
const ROWS: usize = 4096;

/// What stands for a token that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blank {
    /// The mean embedding of the vocabulary.
    #[default]
    Mean,
    /// An embedding of zeros.
    Zero,
    /// The embedding of a token.
    Token(u32),
}

/// What is asked of [`saliency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The token whose logit is explained; the likeliest if not given.
    pub target: Option<u32>,
    /// The token whose logit is taken away, if any.
    pub against: Option<u32>,
    /// The position of the logit; negative from the end.
    pub pos: i64,
    /// What stands for a token that is not there.
    pub baseline: Blank,
    /// Whether the baseline leaves the first token in place (unless it is the only one).
    pub keep_first: bool,
    /// Gradients that the integral may take.
    pub steps: usize,
}

/// What [`saliency`] finds; all scores are `[pos]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Saliency {
    /// The token whose logit is explained.
    pub target: u32,
    /// The position of the logit.
    pub position: usize,
    /// The logit, or the difference of two.
    pub value: f64,
    /// The same with the baseline in place of every token, but for a first one that is kept.
    pub baseline_value: f64,
    /// Euclidean norm of the gradient by the token's embedding.
    pub gradient_norm: Vec<f32>,
    /// Gradient · embedding.
    pub gradient_input: Vec<f32>,
    /// Integrated gradients: (embedding − baseline) · the mean gradient on the straight way between them; 0 for a first
    /// token that is kept.
    pub integrated: Vec<f32>,
    /// What the value loses when the token's embedding, the first's too, is replaced by the baseline.
    pub occlusion: Vec<f32>,
    /// |Σ integrated − (value − baseline value)| / |value − baseline value|; `None` if the two values are equal.
    pub completeness_error: Option<f64>,
    /// Gradients that the integral took.
    pub steps: usize,
}

/// How much each token of the prompt matters for a logit (or a difference of two), by its embedding at the point `embed`:
/// gradient (Simonyan et al. 2013), gradient · input (Shrikumar et al. 2016), integrated gradients (Sundararajan et al.
/// 2017), occlusion (Zeiler and Fergus 2014). Learned positions stay as they are. Edits are in force throughout, those at
/// `embed` as part of the input.
pub fn saliency(subject: Subject<'_>, aim: Aim, tick: Tick<'_>) -> Result<Saliency> {
    let n = subject.tokens.len();
    if aim.steps < 4 {
        return Err(Error::Input("integrated gradients need at least 4 steps".into()));
    }
    let of = (aim.steps + n + 2) as u64;
    tick(0, of)?;
    let probe = Probe::new(subject, aim)?;
    let input = &probe.input;
    let blank = probe.baseline(aim.baseline)?;
    let mut empty = blank.repeat(n);
    if aim.keep_first && n > 1 {
        empty[..probe.d_model].copy_from_slice(&input[..probe.d_model]);
    }
    let value = probe.values(std::slice::from_ref(input))?[0];
    tick(1, of)?;
    let gradient = probe.gradients(std::slice::from_ref(input))?.remove(0);
    let mut done = 2;
    // On the straight way from the baseline to the input, the value and its derivative along the way at some places.
    let way = |place: f64| -> Vec<f32> {
        empty.iter().zip(input).map(|(&b, &x)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32).collect()
    };
    let ends = |places: &[f64]| probe.values(&places.iter().map(|&place| way(place)).collect::<Vec<_>>());
    let inner = |places: &[f64]| -> Result<Vec<Vec<f64>>> {
        let mut scores = Vec::with_capacity(places.len());
        for some in places.chunks(probe.at_once()) {
            tick(done, of)?;
            done += some.len() as u64;
            for gradient in probe.gradients(&some.iter().map(|&place| way(place)).collect::<Vec<_>>())? {
                let change = input.iter().zip(&empty).map(|(&x, &b)| f64::from(x) - f64::from(b));
                scores.push(probe.each(&gradient.iter().zip(change).map(|(g, c)| g * c).collect::<Vec<_>>(), sum));
            }
        }
        Ok(scores)
    };
    let integral = integrate(ends, inner, aim.steps)?;
    let total = value - integral.start;
    let occluded: Vec<Vec<f32>> = (0..n)
        .map(|pos| {
            let mut without = input.clone();
            without[pos * probe.d_model..][..probe.d_model].copy_from_slice(&blank);
            without
        })
        .collect();
    tick((aim.steps + 2) as u64, of)?;
    let occlusion = probe.values(&occluded)?.into_iter().map(|without| (value - without) as f32).collect();
    tick(of, of)?;
    let times: Vec<f64> = gradient.iter().zip(input).map(|(g, &x)| g * f64::from(x)).collect();
    let floats = |numbers: Vec<f64>| numbers.into_iter().map(|x| x as f32).collect();
    Ok(Saliency {
        target: probe.target,
        position: probe.position,
        value,
        baseline_value: integral.start,
        gradient_norm: floats(probe.each(&gradient, |row| row.iter().map(|g| g * g).sum::<f64>().sqrt())),
        gradient_input: floats(probe.each(&times, sum)),
        completeness_error: (total != 0.0).then(|| (sum(&integral.sums) - total).abs() / total.abs()),
        integrated: floats(integral.sums),
        occlusion,
        steps: integral.steps,
    })
}

fn sum(row: &[f64]) -> f64 {
    row.iter().sum()
}

/// The question, ready to be put to any embeddings in place of the prompt's.
struct Probe<'a> {
    subject: Subject<'a>,
    embed: PointId,
    d_model: usize,
    vocabulary: usize,
    /// The prompt's embeddings after edits, `[pos, d_model]`.
    input: Vec<f32>,
    position: usize,
    target: u32,
    against: Option<u32>,
}

impl<'a> Probe<'a> {
    /// Runs the prompt once, for its embeddings and its likeliest token.
    fn new(subject: Subject<'a>, aim: Aim) -> Result<Self> {
        let spec = subject.model.spec();
        let none = || Error::Input("the model embeds no tokens (no point `embed`)".into());
        let embed = spec.point("embed").ok_or_else(none)?;
        let (position, vocabulary) = (subject.position(aim.pos)?, subject.vocabulary()?);
        let blank = if let Blank::Token(id) = aim.baseline { Some(id) } else { None };
        if let Some(id) = [aim.target, aim.against, blank].into_iter().flatten().find(|&id| id as usize >= vocabulary) {
            return Err(Error::Input(format!("there is no token {id}: the vocabulary has {vocabulary}")));
        }
        let mut capture = Capture::of(vec![embed]);
        let output = subject.run(Logits::All)?.tap(&mut capture)?;
        let unmet = || Error::Input("the pass gave no logits".into());
        let logits = output.logits.ok_or_else(unmet)?;
        let logits = &logits.to_f32()[position * vocabulary..(position + 1) * vocabulary];
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(subject.not_finite());
        }
        let likeliest = (0..vocabulary).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).unwrap_or(0);
        Ok(Self {
            subject,
            embed,
            d_model: spec.sizes.d_model,
            vocabulary,
            input: capture.get(embed).ok_or_else(unmet)?.data.to_f32().into_owned(),
            position,
            target: aim.target.unwrap_or(likeliest as u32),
            against: aim.against,
        })
    }

    /// The embedding of a token that is not there, `[d_model]`.
    fn baseline(&self, baseline: Blank) -> Result<Vec<f32>> {
        let ids: Vec<u32> = match baseline {
            Blank::Zero => return Ok(vec![0.0; self.d_model]),
            Blank::Mean => (0..self.vocabulary as u32).collect(),
            Blank::Token(id) => vec![id],
        };
        let (anatomy, backend) = (self.subject.anatomy()?, self.subject.model.backend());
        let mut mean = vec![0.0f64; self.d_model];
        for ids in ids.chunks(ROWS) {
            let some = backend.sum_rows(&backend.gather(&anatomy.embedding.matrix, ids), self.d_model);
            mean.iter_mut().zip(some.to_f64().iter()).for_each(|(mean, x)| *mean += x);
        }
        Ok(mean.into_iter().map(|x| (x * anatomy.embed_scale / ids.len() as f64) as f32).collect())
    }

    /// How many prompts may be run at once.
    fn at_once(&self) -> usize {
        (AT_ONCE / (BYTES_PER_LOGIT * self.vocabulary * self.subject.tokens.len())).clamp(1, 64)
    }

    /// The prompt, once for each of some embeddings, and the edits that put those in.
    fn replaced(&self, inputs: &[Vec<f32>]) -> Result<(Batch, Vec<Edit>)> {
        let tokens = self.subject.tokens;
        let mut edits = self.subject.edits.to_vec();
        for edit in &mut edits {
            // The one prompt that these were meant for is every one of the batch.
            edit.at.0.remove("batch");
        }
        for (prompt, input) in inputs.iter().enumerate() {
            let array = Array { axes: None, shape: vec![tokens.len(), self.d_model], data: input.clone() };
            let loaded = BTreeMap::from([("embed".to_owned(), Arc::new(array))]);
            edits.push(Edit {
                point: "embed".parse()?,
                at: Where(BTreeMap::from([("batch".to_owned(), vec![Index::At(prompt as i64)])])),
                op: Op::Set(Value::Loaded(loaded)),
            });
        }
        Ok((Batch::new(&vec![tokens; inputs.len()])?, edits))
    }

    /// The value for each of some embeddings `[pos, d_model]`.
    fn values(&self, inputs: &[Vec<f32>]) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(inputs.len());
        let n = self.subject.tokens.len();
        let last = self.position + 1 == n;
        for inputs in inputs.chunks(self.at_once()) {
            let (batch, edits) = self.replaced(inputs)?;
            let wanted = if last { Logits::Last } else { Logits::All };
            let mut run = Run::new(self.subject.model, batch).edits(&edits).logits(wanted);
            if let Some(bytes) = self.subject.memory {
                run = run.memory(bytes);
            }
            let Some(logits) = run.go()?.logits else { return Err(Error::Input("the pass gave no logits".into())) };
            let logits = logits.to_f32();
            for prompt in 0..inputs.len() {
                let row = if last { prompt } else { prompt * n + self.position };
                let logit = |id: u32| f64::from(logits[row * self.vocabulary + id as usize]);
                values.push(logit(self.target) - self.against.map_or(0.0, logit));
            }
        }
        if values.iter().all(|x| x.is_finite()) { Ok(values) } else { Err(self.subject.not_finite()) }
    }

    /// The value's gradient by each of some embeddings, `[pos, d_model]`.
    fn gradients(&self, inputs: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
        let (batch, edits) = self.replaced(inputs)?;
        let term = |prompt, token, weight| Term { prompt, pos: self.position as i64, token, weight };
        let terms = (0..inputs.len()).flat_map(|prompt| {
            [Some(term(prompt, self.target, 1.0)), self.against.map(|token| term(prompt, token, -1.0))]
        });
        let objective = Objective::Logits(terms.flatten().collect());
        let found = gradients(self.subject.model, batch, &edits, &objective, &[self.embed], false)?;
        let all = found.points[&self.embed].data.to_f64();
        if all.iter().any(|x| !x.is_finite()) {
            return Err(self.subject.not_finite());
        }
        Ok(all.chunks_exact(self.subject.tokens.len() * self.d_model).map(<[f64]>::to_vec).collect())
    }

    /// One number for each position of `[pos, d_model]`.
    fn each(&self, rows: &[f64], number: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        rows.chunks_exact(self.d_model).map(number).collect()
    }
}
