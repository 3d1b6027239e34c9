"""What a family's module brings."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

# Sizes of the networks; a family whose configuration has other names for them brings its own.
SMALL = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "float32",
}


def as_they_are(_variant, weights):
    return weights


def whole(_config, name, gradient):
    return {name: gradient}


@dataclass(frozen=True)
class Family:
    # For each variant's name, its config.json.
    variants: dict
    # forward(config, weights, tokens): every named point of one prompt, in order, as tensors of one graph; f64, no
    # batch axis. `weights` are named as the parameters of Hugging Face's model.
    forward: Callable[..., dict[str, Tensor]]
    # hooks(model): (point, module, whether the point is the module's input instead of its output), for every point that
    # Hugging Face's own model can be asked for. Patterns and logits are compared in any case.
    hooks: Callable[..., list]
    # stored(variant, weights): the tensors of the file, where they are not simply the parameters.
    stored: Callable[..., dict[str, Tensor]] = as_they_are
    # pieces(config, parameter's name, gradient): the gradient under the names that the engine gives to parameters, where
    # it cuts fused ones, all as [outs, ins].
    pieces: Callable[..., dict[str, Tensor]] = whole
    # What gains are drawn around: 0 where they are stored as their difference from 1.
    gains: float = 1.0
    # Layouts of points that other families do not have, for origin.json.
    layouts: dict = field(default_factory=dict)
