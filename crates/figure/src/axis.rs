//! The names of array axes: one list of dims, and the two roles a dim may play.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// What an axis runs over. Arrays that share a dim can be linked: selecting position 7 in one figure
/// selects it in every figure with a `pos` axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// Inputs run together.
    Batch,
    /// Positions of a text.
    Pos,
    /// Attention heads of a layer.
    Head,
    /// Coordinates within a head.
    DHead,
    /// Coordinates of the residual stream.
    DModel,
    /// Neurons of a layer.
    Neuron,
    /// Units of a dictionary (sparse autoencoder, transcoder).
    Latent,
    /// The vocabulary.
    DVocab,
    /// Layers, or rows of the residual stream (embedding first).
    Layer,
    /// Channels of an image or of a convolution.
    Channel,
    /// Rows of an image, from the top.
    Y,
    /// Columns of an image, from the left.
    X,
    /// State of a recurrent or state-space block.
    State,
    /// Classes of a classifier.
    Class,
    /// Experts of a mixture.
    Expert,
    /// Training steps.
    Step,
    /// Training runs, or variants being compared.
    Run,
    /// Examples of a data set.
    Example,
    /// Samples of a sound.
    Time,
    /// Ranks: the first, second, third best of something.
    K,
    /// Bins of a histogram.
    Bin,
    /// Rows of a table that are nothing of the above.
    Row,
}

impl Dim {
    /// Every dim, in the order in which messages list them.
    pub const ALL: [Dim; 22] = [
        Dim::Batch,
        Dim::Pos,
        Dim::Head,
        Dim::DHead,
        Dim::DModel,
        Dim::Neuron,
        Dim::Latent,
        Dim::DVocab,
        Dim::Layer,
        Dim::Channel,
        Dim::Y,
        Dim::X,
        Dim::State,
        Dim::Class,
        Dim::Expert,
        Dim::Step,
        Dim::Run,
        Dim::Example,
        Dim::Time,
        Dim::K,
        Dim::Bin,
        Dim::Row,
    ];

    /// The name used in JSON, on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Dim::Batch => "batch",
            Dim::Pos => "pos",
            Dim::Head => "head",
            Dim::DHead => "d_head",
            Dim::DModel => "d_model",
            Dim::Neuron => "neuron",
            Dim::Latent => "latent",
            Dim::DVocab => "d_vocab",
            Dim::Layer => "layer",
            Dim::Channel => "channel",
            Dim::Y => "y",
            Dim::X => "x",
            Dim::State => "state",
            Dim::Class => "class",
            Dim::Expert => "expert",
            Dim::Step => "step",
            Dim::Run => "run",
            Dim::Example => "example",
            Dim::Time => "time",
            Dim::K => "k",
            Dim::Bin => "bin",
            Dim::Row => "row",
        }
    }

    /// The axis that runs over this dim where information arrives, such as the query's position of an
    /// attention pattern.
    pub const fn dst(self) -> Axis {
        Axis { dim: self, role: Some(Role::Dst) }
    }

    /// The axis that runs over this dim where information comes from, such as the key's position of an
    /// attention pattern.
    pub const fn src(self) -> Axis {
        Axis { dim: self, role: Some(Role::Src) }
    }
}

/// Which side of a relation an axis is, where two axes of one array share a dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Where information arrives.
    Dst,
    /// Where information comes from.
    Src,
}

/// A named axis of an array, written `layer`, or `pos/dst` where it has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axis {
    /// What the axis runs over.
    pub dim: Dim,
    /// Which side it is, where another axis has the same dim.
    pub role: Option<Role>,
}

impl From<Dim> for Axis {
    fn from(dim: Dim) -> Self {
        Axis { dim, role: None }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.dim.name())?;
        match self.role {
            None => Ok(()),
            Some(Role::Dst) => f.write_str("/dst"),
            Some(Role::Src) => f.write_str("/src"),
        }
    }
}

/// A text that names no axis.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AxisError {
    /// The part before the slash is no dim.
    #[error("no axis is called {name:?}; the axes are {}", Dim::ALL.map(Dim::name).join(" "))]
    Dim {
        /// What was given.
        name: String,
    },
    /// The part after the slash is no role.
    #[error("no role is called {name:?}; write dim/dst or dim/src")]
    Role {
        /// What was given.
        name: String,
    },
}

impl FromStr for Dim {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        Dim::ALL.into_iter().find(|dim| dim.name() == text).ok_or_else(|| AxisError::Dim { name: text.to_owned() })
    }
}

impl FromStr for Axis {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        let (dim, role) = match text.split_once('/') {
            None => (text, None),
            Some((dim, "dst")) => (dim, Some(Role::Dst)),
            Some((dim, "src")) => (dim, Some(Role::Src)),
            Some((_, role)) => return Err(AxisError::Role { name: role.to_owned() }),
        };
        Ok(Axis { dim: dim.parse()?, role })
    }
}

impl Serialize for Axis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Axis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Axis {
    fn schema_name() -> Cow<'static, str> {
        "Axis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A named axis of an array; `/dst` and `/src` tell apart two axes of one dim.",
            "type": "string",
            "pattern": format!("^({})(/(dst|src))?$", Dim::ALL.map(Dim::name).join("|")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_reads_back_as_itself() {
        for dim in Dim::ALL {
            for axis in [dim.into(), dim.dst(), dim.src()] {
                assert_eq!(axis.to_string().parse::<Axis>().unwrap(), axis);
                let json = serde_json::to_string(&axis).unwrap();
                assert_eq!(serde_json::from_str::<Axis>(&json).unwrap(), axis);
            }
        }
        assert_eq!(Dim::Pos.dst().to_string(), "pos/dst");
        assert_eq!(Dim::DModel.to_string(), "d_model");
    }

    #[test]
    fn an_unknown_name_says_what_there_is() {
        let unknown = "position".parse::<Axis>().unwrap_err();
        assert_eq!(unknown, AxisError::Dim { name: "position".into() });
        assert!(unknown.to_string().contains("pos head"));
        assert_eq!("pos/from".parse::<Axis>(), Err(AxisError::Role { name: "from".into() }));
        assert!("pos/dst/src".parse::<Axis>().is_err());
        assert!("".parse::<Axis>().is_err());
    }
}
