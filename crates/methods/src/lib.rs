//! Methods of interpretability: functions from a model and a question to numbers.
//!
//! Each method is a function of a [`Subject`] (a model, a prompt, edits) and of its own settings. It returns plain
//! vectors in row-major order, whose axes it states.
//!
//! Invariants: no IO; nothing is known here of files, of figures, or of how a network came to be.

mod activations;
mod circuits;
mod composition;
mod contrast;
mod detect;
mod direct;
mod discovery;
mod heads;
mod integrate;
mod lens;
mod next;
mod pairs;
mod place;
mod promoted;
mod residual;
mod saliency;
mod sources;
mod spectra;
mod stream;
mod subject;
mod tail;
mod watch;
mod weighting;

pub use activations::{Activations, Sample, Strongest, TokenMean, activations, strongest};
pub use circuits::{CircuitOptions, HeadCircuits, head_circuits};
pub use composition::{Baseline, Compositions};
pub use contrast::{Ask, Contrast, Metric};
pub use detect::{Kind, Match, Measure};
pub use direct::{DirectLogit, NeuronShare, direct_logit};
pub use discovery::{
    Ablation, Acdc, Behaviour, CircuitMethod, Completeness, Edge, Edges, Faithfulness, Probing, Receiver, ScoreOptions,
    Sender, Sized, acdc, auroc, candidates, completeness, eap, eap_ig, faithfulness, jaccard, mask_gradient,
    minimality, overlap, probing, rank_correlation, score, score_behaviour, size_curve, strongest_edges,
};
pub use heads::{Patterns, duplicate_token, first_token, induction, patterns, previous_token, random_repeat};
pub use lens::{LogitLens, logit_lens};
pub use next::{NextTokens, next_tokens};
pub use pairs::Pair;
pub use promoted::{Promoted, SubUpdates, promoted_tokens, sub_updates};
pub use residual::{Norms, Residual, Similarity, residual};
pub use saliency::{Aim, Blank, Saliency, saliency};
pub use sources::{HeadSources, Target, head_sources};
pub use spectra::{Spectrum, WeightMatrix, spectra};
pub use subject::{Subject, Tick};
pub use tail::{Tail, tail};
pub use weighting::{Weight, weighted};
