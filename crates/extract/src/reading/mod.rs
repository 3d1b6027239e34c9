//! Reading mechanisms out of networks: numbers that stand in weights and activations, not fits to answers.

mod circle;
mod phases;
mod representations;
mod waves;

pub use circle::Circle;
pub use representations::{Representation, Representations};
pub use waves::{Neurons, Wave, Waves};
