"""The mathematics of decoders in f64, with every named point a tensor of the graph."""

import math

import torch


class Trace:
    """The points of one prompt, as they are met, and the weights that they are computed with."""

    def __init__(self, weights):
        self.weights = weights
        self.points = {}

    def at(self, name, value):
        # A name of its own for each place, even where two places hold the same values.
        self.points[name] = value.clone()
        return self.points[name]

    def linear(self, name, x):
        y = x @ self.weights[f"{name}.weight"].T
        return y + self.weights[f"{name}.bias"] if f"{name}.bias" in self.weights else y

    def rms_norm(self, place, parameter, x, eps):
        scale = self.at(f"{place}.scale", (x.square().mean(-1) + eps).sqrt())
        return self.at(f"{place}.normalized", x / scale[..., None]) * self.weights[f"{parameter}.weight"]

    def layer_norm(self, place, parameter, x, eps):
        centred = x - x.mean(-1, keepdim=True)
        scale = self.at(f"{place}.scale", (centred.square().mean(-1) + eps).sqrt())
        normalized = self.at(f"{place}.normalized", centred / scale[..., None])
        return normalized * self.weights[f"{parameter}.weight"] + self.weights[f"{parameter}.bias"]

    def attention(self, block, q, k, v, out, mask, divisor, cap=None):
        """From rotated q, k and v [pos, head, d_head] and the output projection [d_model, heads * d_head] to the sum of
        the heads [pos, d_model], without a bias. Scores are capped if a `cap` is given."""
        q, k = self.at(f"{block}.attn.rot_q", q), self.at(f"{block}.attn.rot_k", k)
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scores = torch.einsum("dhw,shw->hds", q, k) / divisor
        if cap is not None:
            scores = softcap(scores, cap)
        scores = self.at(f"{block}.attn.attn_scores", scores.masked_fill(~mask, -math.inf))
        pattern = self.at(f"{block}.attn.pattern", scores.softmax(-1))
        z = self.at(f"{block}.attn.z", torch.einsum("hds,shw->dhw", pattern, v))
        out = out.view(out.shape[0], q.shape[1], q.shape[2])
        return self.at(f"{block}.attn.result", torch.einsum("phw,mhw->phm", z, out)).sum(1)


def head_rms_norm(x, gain, eps):
    """Root mean square norm of the last axis, with a gain: no point of its own."""
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * gain


def visible(length, window=None):
    """[dst, src]: which positions each position attends to; only the latest `window` if one is given."""
    dst, src = torch.arange(length)[:, None], torch.arange(length)[None]
    mask = src <= dst
    if window is not None:
        mask &= src > dst - window
    return mask


def frequencies(width, base):
    """Of the rotation of `width` coordinates, per pair, in f64."""
    return base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)


def rotate(x, frequencies, amplitude=1.0):
    """Rotates the first coordinates of [pos, head, d_head] by position, twice as many as there are frequencies: of
    these, i is paired with i + half."""
    width = 2 * len(frequencies)
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * frequencies
    cos, sin = amplitude * angles.cos()[:, None], amplitude * angles.sin()[:, None]
    a, b = x[..., :width].chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin, x[..., width:]), dim=-1)


def softcap(x, cap):
    return cap * torch.tanh(x / cap)


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
