"""Makes one golden folder: a random network, what it computes in f64, and the check against Hugging Face's own code."""

import json
import math
import shutil
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parent.parent.parent / "tests" / "golden"

# Two prompts of unequal length, each run alone. Tokens repeat, so that attention has something to match.
PROMPTS = [[5, 17, 99, 5, 17, 64, 127], [3, 88, 3, 41]]

ACTIVATION_TOLERANCE = 1e-6
GRADIENT_TOLERANCE = 1e-5


def randomise(model, seed, gains):
    """Fills every parameter so that none could be left out unnoticed: gains scatter around `gains`, biases are not 0,
    and attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    transposed = {id(m.weight) for m in model.modules() if isinstance(m, transformers.pytorch_utils.Conv1D)}
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if name.endswith("bias"):
            values *= 0.3
        elif parameter.ndim == 1:
            values = gains + 0.3 * values
        elif id(parameter) in embeddings:
            values *= 0.7
        else:
            values *= 1.4 / math.sqrt(parameter.shape[0 if id(parameter) in transposed else -1])
        parameter.data.copy_(values)


def loss_of(logits, tokens):
    """Mean cross entropy, in nats, of each next token."""
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]))


def theirs(model, hooks, tokens):
    """What Hugging Face's own model computes, under our names, as far as it can be reached by hooks."""
    seen, handles = {}, []

    def record(name, take_input):
        def hook(_module, inputs, output):
            value = inputs[0] if take_input else output
            # A mixture of experts has no batch axis, others one of length 1.
            seen[name] = (value[0] if isinstance(value, tuple) else value).detach().reshape(len(tokens), -1)

        return hook

    for name, module, take_input in hooks:
        handles.append(module.register_forward_hook(record(name, take_input)))
    output = model(torch.tensor([tokens]), output_attentions=True)
    for handle in handles:
        handle.remove()
    for i, pattern in enumerate(output.attentions):
        seen[f"blocks.{i}.attn.pattern"] = pattern.detach()[0]
    seen["logits"] = output.logits.detach()[0]
    return seen, output.logits[0]


def agree(name, ours, reference, tolerance):
    """Holds ours against the reference, by relative error, which is returned."""
    reference = reference.double()
    error = (ours.detach().reshape(reference.shape) - reference).norm() / reference.norm().clamp_min(1e-30)
    assert error <= tolerance, f"{name}: relative error {error:.2e}"
    return error.item()


def goldens(family, folder):
    """For the model in `folder`: the tensors of golden.safetensors, the points in order, and the largest relative error
    of an activation against Hugging Face."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", experts_implementation="eager", dtype=torch.float64
    )
    model.eval()
    config = model.config
    weights = {n: p.detach().clone().requires_grad_() for n, p in model.named_parameters()}
    tensors, worst = {}, 0.0
    for number, tokens in enumerate(PROMPTS):
        points = family.forward(config, weights, tokens)
        reference, logits = theirs(model, family.hooks(model), tokens)
        for name, value in reference.items():
            worst = max(worst, agree(name, points[name], value, ACTIVATION_TOLERANCE))
        tensors[f"{number}/tokens"] = torch.tensor(tokens)
        tensors |= {f"{number}/{name}": value.detach() for name, value in points.items()}
        if number == 0:
            for value in points.values():
                value.retain_grad()
            loss = loss_of(points["logits"], tokens)
            loss.backward()
            loss_of(logits, tokens).backward()
            tensors["loss"] = loss.detach()
            tensors |= {f"grad/{name}": value.grad for name, value in points.items()}
            for name, parameter in model.named_parameters():
                agree(f"gradient of {name}", weights[name].grad, parameter.grad, GRADIENT_TOLERANCE)
                for piece, gradient in family.pieces(config, name, weights[name].grad).items():
                    tensors[f"grad_param/{piece}"] = gradient
    as_stored = {n: (t if t.dtype == torch.int64 else t.float()).contiguous().clone() for n, t in tensors.items()}
    return as_stored, list(points), worst


def origin(family, name, points, worst):
    return {
        "made_by": "scripts/make_goldens.py",
        "variant": name,
        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
        "weights": "random; seed = CRC-32 of the variant's name",
        "computed_in": "f64 from the f32 weights, rounded to f32 when written",
        "largest_relative_error_against_hugging_face": float(f"{worst:.1e}"),
        "tensors": {
            "N/tokens": "i64 [pos], the tokens of prompt N; each prompt was run alone",
            "N/POINT": "activation at POINT in prompt N",
            "loss": "mean next-token cross entropy of prompt 0 in nats",
            "grad/POINT": "derivative of that loss by the activation at POINT",
            "grad_param/PARAMETER": "derivative of that loss by a parameter, named as in model.safetensors",
        },
        "layouts": {
            "embed, resid_*, attn_out, mlp_out, *.normalized": "[pos, d_model]",
            "*.scale": "[pos]",
            "attn.q, attn.rot_q, attn.z": "[pos, query head, d_head]",
            "attn.k, attn.rot_k, attn.v": "[pos, key/value head, d_head]",
            "attn.attn_scores, attn.pattern": "[query head, pos/dst, pos/src]",
            "attn.result": "[pos, query head, d_model]",
            "mlp.*": "[pos, neuron]",
            "logits": "[pos, d_vocab]",
            **family.layouts,
        },
        "points_in_order": points,
    }


def make(family, name):
    """Writes the folder of a variant."""
    config = {**family.variants[name], "transformers_version": transformers.__version__}
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    randomise(model, zlib.crc32(name.encode()), family.gains)
    weights = family.stored(name, {n: p.detach().clone() for n, p in model.named_parameters()})
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tensors, points, worst = goldens(family, folder)
    save_file(tensors, folder / "golden.safetensors")
    (folder / "origin.json").write_text(json.dumps(origin(family, name, points, worst), indent=2) + "\n")
    sizes = ", ".join(f"{p.name} {p.stat().st_size / 1000:.0f} kB" for p in sorted(folder.glob("*.safetensors")))
    print(f"{name}: {len(points)} points, worst disagreement {worst:.1e}; {sizes}")
