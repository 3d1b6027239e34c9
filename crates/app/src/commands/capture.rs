//! `pellucid capture MODEL INPUT --point GLOB... -o FILE.safetensors`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ArgMatches;
use engine::{Batch, Captured, Closure, Error, Logits, PointId, Run, Select, Spec, diagnose, gradients};
use store::{Announced, Captures, Element};
use views::{Cx, load_edits};

use super::{objective, view};
use crate::failure::usage_error;
use crate::waiting::Waiting;
use crate::{input, memory, model, output};

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("output").context("-o FILE.safetensors is missing")?;
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        return Err(usage_error(format!("{}: a capture is a .safetensors file", path.display())));
    }
    output::check_place(path)?;
    let mut edits = view::edits(matches)?;
    let globs = matches.get_many::<String>("point").into_iter().flatten();
    let selects = globs.map(|glob| glob.parse::<Select>()).collect::<engine::Result<Vec<_>>>()?;
    let prompts = input::prompts(matches)?;
    let opened = model::open(matches)?;
    let points = Select::resolve_all(&selects, opened.model()?.spec())?;
    let encoding = input::encoding(matches);
    let limit = memory::run_limit(model::limit(matches));
    load_edits(&opened, &mut edits, encoding, limit).map_err(|error| model::name_damage(&opened, error))?;
    let tokens = prompts.iter().map(|prompt| opened.encode(prompt, encoding)).collect::<views::Result<Vec<_>>>()?;
    let about = matches.get_many::<String>("edit").into_iter().flatten().cloned().collect::<Vec<_>>().join("; ");
    let waiting = Waiting::new(false);
    let mut cx = Cx::new(&opened).edits(&edits).encoding(encoding).progress(&waiting);
    if let Some(bytes) = limit {
        cx = cx.memory(bytes);
    }
    let job = Job { cx: &cx, batch: Batch::new(&tokens)?, about, points: &points };
    let written = match matches.get_one::<String>("grad") {
        Some(text) => {
            let objective = objective::parse(text, tokens.len(), opened.tokenizer()?)?;
            job.differentiate(path, text, &objective, matches.get_flag("grad-parameters"))
        }
        None => job.capture(path),
    };
    waiting.finish();
    let count = written.map_err(|error| match error.downcast::<views::Error>() {
        Ok(error) => model::name_damage(&opened, error).into(),
        Err(error) => error,
    })?;
    eprintln!("wrote {count} tensors to {}", path.display());
    Ok(())
}

/// What is to be written.
pub(crate) struct Job<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) batch: Batch,
    /// The edits as they were given.
    pub(crate) about: String,
    pub(crate) points: &'a [PointId],
}

impl Job<'_> {
    /// Writes each activation while the pass goes on, so that none is held longer than it lives.
    pub(crate) fn capture(&self, path: &Path) -> Result<usize> {
        let model = self.cx.model()?;
        let announced = self.points.iter().map(|&id| self.announce(model.spec(), id, "")).collect();
        let mut file = self.create(path, announced, &[])?;
        let (mut failed, mut met) = (None, 0);
        let mut tap = Closure::at(self.points.to_vec(), |seen| {
            self.cx.tick(met, self.points.len() as u64)?;
            met += 1;
            let captured =
                Captured { point: seen.point.clone(), batch: seen.batch.clone(), data: seen.tensor.data.clone() };
            match self.write(&mut file, "", &captured) {
                Ok(()) => Ok(None),
                Err(error) => {
                    failed = Some(error);
                    Err(Error::Cancelled)
                }
            }
        });
        // Logits are points like others, and only made if they are wanted.
        let run = Run::new(model, self.batch.clone()).edits(self.cx.edits_in_force()).logits(Logits::None);
        let run = match self.cx.memory_limit() {
            Some(bytes) => run.memory(bytes),
            None => run,
        };
        // A pass that was made for other views may have all that is asked for.
        let run = match self.cx.subject(self.batch.tokens())?.kept {
            Some(kept) => run.kept(kept),
            None => run,
        };
        let done = run.tap(&mut tap);
        if let Some(error) = failed {
            return Err(error);
        }
        done.map_err(views::Error::from)?;
        file.finish()?;
        Ok(self.points.len())
    }

    /// Writes activations and the gradients of an objective by them.
    fn differentiate(&self, path: &Path, name: &str, of: &engine::Objective, parameters: bool) -> Result<usize> {
        let model = self.cx.model()?;
        let found = gradients(model, self.batch.clone(), self.cx.edits_in_force(), of, self.points, parameters)
            .map_err(views::Error::from)?;
        let both = |id| [self.announce(model.spec(), id, ""), self.announce(model.spec(), id, "grad/")];
        let mut announced: Vec<Announced> = self.points.iter().flat_map(|&id| both(id)).collect();
        let named = |id: &usize| (format!("grad_param/{}", model.spec().parameters[*id].name), *id);
        let by_parameter: Vec<(String, usize)> =
            if parameters { (0..model.spec().parameters.len()).map(|id| named(&id)).collect() } else { vec![] };
        announced.extend(by_parameter.iter().map(|(name, id)| {
            let shape = model.spec().parameters[*id].shape.clone();
            Announced { name: name.clone(), element: Element::F32, shape }
        }));
        let count = announced.len();
        let mut file =
            self.create(path, announced, &[("objective", name.to_owned()), ("value", found.value.to_string())])?;
        found.activations.values().try_for_each(|captured| self.write(&mut file, "", captured))?;
        found.points.values().try_for_each(|captured| self.write(&mut file, "grad/", captured))?;
        for (name, id) in &by_parameter {
            // A parameter that the objective does not depend on has no gradient: it is zero.
            let zeros = || vec![0.0; model.spec().parameters[*id].shape.iter().product()];
            file.write_f32(name, &found.parameters.get(id).map_or_else(zeros, |grad| grad.to_f32().into_owned()))?;
        }
        file.finish()?;
        Ok(count)
    }

    fn lengths(&self) -> Vec<usize> {
        self.batch.lengths()
    }

    /// Name and shape of a point in the file.
    fn announce(&self, spec: &Spec, id: PointId, prefix: &str) -> Announced {
        let point = &spec.points[id.index()];
        let longest = self.lengths().into_iter().max().unwrap_or(0);
        let own = point.axes.iter().map(|(_, len)| len.unwrap_or(longest));
        let batch = (self.batch.prompts() > 1).then(|| self.batch.prompts());
        let shape = batch.into_iter().chain(own).collect();
        Announced { name: format!("{prefix}{}", point.name), element: Element::F32, shape }
    }

    /// Starts the file with the tokens in it, and with several prompts their lengths.
    fn create(&self, path: &Path, mut announced: Vec<Announced>, about: &[(&str, String)]) -> Result<Captures> {
        let lengths = self.lengths();
        let (prompts, longest) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
        let shape = if prompts > 1 { vec![prompts, longest] } else { vec![longest] };
        let whole = |name: &str, shape| Announced { name: name.into(), element: Element::I64, shape };
        announced.push(whole("tokens", shape));
        if prompts > 1 {
            announced.push(whole("lengths", vec![prompts]));
        }
        let own = [
            ("model", self.cx.file().name()),
            ("edits", self.about.clone()),
            ("backend", self.cx.model()?.backend().name().to_owned()),
            ("made_by", concat!("pellucid ", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        let metadata: BTreeMap<String, String> = own
            .into_iter()
            .chain(about.iter().cloned())
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut file = Captures::create(path, &announced, &metadata)?;
        for i in 0..prompts {
            let mut tokens: Vec<i64> = self.batch.tokens()[self.batch.range(i)].iter().map(|&t| i64::from(t)).collect();
            tokens.resize(longest, 0);
            file.write_i64("tokens", &tokens)?;
        }
        if prompts > 1 {
            file.write_i64("lengths", &lengths.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
        }
        Ok(file)
    }

    /// Writes an activation or a gradient; an error that names the place where its numbers are none.
    fn write(&self, file: &mut Captures, prefix: &str, captured: &Captured) -> Result<()> {
        let values = captured.data.to_f32();
        let masked = captured.point.is_pairs() && prefix.is_empty();
        if !values.iter().all(|x| x.is_finite() || (masked && *x == f32::NEG_INFINITY)) {
            let error = diagnose(self.cx.model()?, self.batch.clone(), self.cx.edits_in_force(), None);
            return Err(views::Error::from(error).into());
        }
        let name = format!("{prefix}{}", captured.point.name);
        if self.batch.prompts() == 1 {
            file.write_f32(&name, &values)?;
        } else {
            file.write_f32(&name, &captured.padded().2)?;
        }
        Ok(())
    }
}
