//! Models that the page has opened.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;
use engine::tokenizer::Tokenizer;
use engine::{Batch, Capture, Edit, Kept, Point, PointId, Run, Spec};
use serde::Serialize;
use serde_json::Value;
use store::ModelFile;
use store::digest::Stamp;
use views::{AnyView, Cx, Opened};

use crate::commands::card::{self, Card};
use crate::model::Opener;
use crate::points::{self, Told};

/// A model, open for any number of questions at once.
pub(super) struct Served {
    pub(super) opened: Arc<Opened>,
    pub(super) about: About,
    /// SHA-256 of the weights.
    pub(super) digest: String,
    /// Its files when it was opened.
    stamps: Option<Vec<Stamp>>,
    /// The text of every token, for searches.
    words: OnceLock<Vec<String>>,
    passes: Mutex<Vec<Once>>,
}

/// A pass that the first question about a prompt makes, and all others wait for. Nothing where it would be too large.
type Pass = Arc<OnceLock<Option<Kept>>>;

struct Once {
    tokens: Vec<u32>,
    edits: Vec<Edit>,
    pass: Pass,
}

/// Passes that are kept of a model: of two prompts, with and without edits.
const PASSES: usize = 4;
/// Bytes that one may take.
const LARGEST: u64 = 512 << 20;

impl Served {
    fn of(reference: &str, opened: Opened, checkpoints: Vec<u64>, views: &[AnyView]) -> Result<Self> {
        let stamps = stamps(opened.file());
        let digest = opened.file().weights_sha256()?;
        let about = About::of(reference, &opened, checkpoints, &digest, views);
        Ok(Self { opened: Arc::new(opened), about, digest, stamps, words: OnceLock::new(), passes: Mutex::default() })
    }

    /// Whether its files are what they were when it was opened.
    /// What was opened is good still where they went away.
    fn is_current(&self) -> bool {
        let file = self.opened.file();
        stamps(file).is_none_or(|now| Some(now) == self.stamps && is_in_training(file) == self.about.training)
    }

    /// The text of every token of the vocabulary, by its id.
    pub(super) fn vocabulary(&self) -> Result<&[String]> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let size = self.opened.model()?.spec().sizes.d_vocab.unwrap_or(0);
        let words = Cx::new(&self.opened).words(&(0..size as u32).collect::<Vec<_>>())?;
        Ok(self.words.get_or_init(|| words))
    }

    /// A pass over a prompt under edits, made once for all views that look at it.
    pub(super) fn pass(&self, tokens: &[u32], edits: &[Edit]) -> Pass {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = passes.iter().position(|once| once.tokens == tokens && once.edits == edits);
        let new = || Once { tokens: tokens.to_vec(), edits: edits.to_vec(), pass: Arc::default() };
        let once = known.map_or_else(new, |at| passes.remove(at));
        let pass = once.pass.clone();
        passes.insert(0, once);
        passes.truncate(PASSES);
        drop(passes);
        // An error is not told here: the view that asks makes its own pass, and tells it.
        pass.get_or_init(|| self.run(tokens, edits).ok().flatten());
        pass
    }

    fn run(&self, tokens: &[u32], edits: &[Edit]) -> Result<Option<Kept>> {
        let model = self.opened.model()?;
        let spec = model.spec();
        // What each head writes is not computed unless somebody asks: it costs more than all else.
        let cheap = |point: &Point| !point.name.ends_with(".attn.result");
        let points: Vec<PointId> =
            spec.points.iter().filter(|point| cheap(point)).filter_map(|point| spec.point(&point.name)).collect();
        let run = Run::new(model, Batch::one(tokens)?).edits(edits);
        if run.peak_bytes(&Capture::of(points.clone())) > LARGEST {
            return Ok(None);
        }
        Ok(Some(Kept::of(run, points)?))
    }
}

/// What tells a model's files from later ones; none where one of them is gone.
fn stamps(file: &ModelFile) -> Option<Vec<Stamp>> {
    file.files().iter().map(|path| Stamp::of(path).ok()).collect()
}

/// Whether a recipe makes it, and has not ended.
fn is_in_training(file: &ModelFile) -> bool {
    file.beside("recipe.json").is_some() && file.beside("evaluation.json").is_none()
}

/// What the page is told of a model.
#[derive(Serialize)]
pub(super) struct About {
    /// What jobs call it by.
    id: String,
    reference: String,
    name: String,
    card: Option<Card>,
    /// Why there is no network, where there is none.
    problem: Option<String>,
    sizes: Sizes,
    points: Vec<Place>,
    checkpoints: Vec<u64>,
    /// SHA-256 of the weights.
    weights: String,
    /// Whether its training has not ended, so that it is worth asking again.
    training: bool,
    /// Whether its tokenizer has a chat template.
    chat: bool,
    /// For each view, why it cannot be asked; null where it can.
    fits: serde_json::Map<String, Value>,
}

/// What pickers of layers, heads and so on choose from.
#[derive(Default, Serialize)]
struct Sizes {
    n_layers: usize,
    n_heads: usize,
    d_model: usize,
    d_mlp: Option<usize>,
    d_vocab: Option<usize>,
    n_ctx: Option<usize>,
}

impl Sizes {
    fn of(spec: &Spec) -> Self {
        let sizes = &spec.sizes;
        Self {
            n_layers: sizes.n_layers,
            n_heads: sizes.n_heads.unwrap_or(0),
            d_model: sizes.d_model,
            d_mlp: sizes.d_mlp,
            d_vocab: sizes.d_vocab,
            n_ctx: sizes.n_ctx,
        }
    }
}

/// A point and its axes.
#[derive(Serialize)]
struct Place {
    name: String,
    axes: Vec<String>,
}

impl Place {
    fn of(told: Told) -> Self {
        Self { name: told.name, axes: told.dims }
    }
}

impl About {
    fn of(reference: &str, opened: &Opened, checkpoints: Vec<u64>, weights: &str, views: &[AnyView]) -> Self {
        let network = opened.model();
        let spec = network.as_ref().ok().map(|model| model.spec());
        let why = |view: &AnyView| match spec {
            _ if !view.needs_network => Value::Null,
            Some(spec) => view.fits(spec).err().map_or(Value::Null, |why| why.to_string().into()),
            None => "no network is known for these files".into(),
        };
        Self {
            id: reference.to_owned(),
            reference: reference.to_owned(),
            name: opened.file().name(),
            card: card::of(opened).ok(),
            problem: network.as_ref().err().map(ToString::to_string),
            sizes: spec.map(Sizes::of).unwrap_or_default(),
            points: spec.map(points::told).unwrap_or_default().into_iter().map(Place::of).collect(),
            checkpoints,
            weights: weights.to_owned(),
            training: is_in_training(opened.file()),
            chat: opened.tokenizer().ok().flatten().is_some_and(Tokenizer::has_chat_template),
            fits: views.iter().map(|view| (view.name.to_owned(), why(view))).collect(),
        }
    }
}

/// Every model that was opened, by its reference.
pub(super) struct Models {
    opener: Opener,
    views: &'static [AnyView],
    opened: Mutex<Vec<Arc<Served>>>,
}

impl Models {
    pub(super) fn new(opener: Opener, views: &'static [AnyView]) -> Self {
        Self { opener, views, opened: Mutex::new(Vec::new()) }
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    pub(super) fn list(&self) -> Vec<Arc<Served>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A model that was opened, or is opened now. It is opened again when its files are others than they were, as those of a
    /// training become.
    pub(super) fn open(&self, reference: &str) -> Result<Arc<Served>> {
        let place = |all: &[Arc<Served>]| all.iter().position(|served| served.about.id == reference);
        let known = self.list();
        if let Some(known) = place(&known).map(|at| &known[at]).filter(|known| known.is_current()) {
            return Ok(known.clone());
        }
        let (opened, checkpoints) = self.opener.open_with_checkpoints(reference)?;
        let served = Arc::new(Served::of(reference, opened, checkpoints, self.views)?);
        let mut all = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match place(&all) {
            // Somebody else may have opened it in the meantime; one of the two is enough.
            Some(at) if all[at].digest == served.digest && all[at].is_current() => return Ok(all[at].clone()),
            Some(at) => all[at] = served.clone(),
            None => all.push(served.clone()),
        }
        Ok(served)
    }
}
