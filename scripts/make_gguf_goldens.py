#!/usr/bin/env python3
"""Writes tests/golden/NAME/model.gguf: a golden network once more, as conversion to GGUF would store it.

    .venv/bin/pip install gguf safetensors torch
    .venv/bin/python scripts/make_gguf_goldens.py [NAME...]

Tensors are renamed by the table of the `gguf` package and rearranged as the converters of llama.cpp do for the family
(`conversion/` there): matrices that Hugging Face keeps as [ins, outs] are transposed, GPT-NeoX's heads are sorted into
queries, keys and values, Gemma's gains become whole, experts are stacked, and rows of a llama's q and k are put into the
order in which pairs rotate. Numbers stay f32, so that both files must give the same bits.
"""

import json
import math
import re
import sys
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


def gpt2(config, writer):
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])

    def convert(name, tensor):
        if name.endswith(".attn.bias"):
            return None
        return tensor.T if ".c_" in name and name.endswith(".weight") else tensor

    return convert


def neox(config, writer):
    heads = config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_rope_dimension_count(int(config["rotary_pct"] * (config["hidden_size"] // heads)))
    writer.add_rope_freq_base(config["rotary_emb_base"])
    writer.add_head_count(heads)
    writer.add_parallel_residual(config["use_parallel_residual"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])

    def convert(name, tensor):
        if "query_key_value" not in name:
            return tensor
        by_head = tensor.unflatten(0, (heads, 3, -1))
        return torch.cat([by_head[:, which].flatten(0, 1) for which in range(3)])

    return convert


def like_llama(config, writer):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    return lambda _name, tensor: tensor


def phi3(config, writer):
    convert = like_llama(config, writer)
    width = config["hidden_size"] // config["num_attention_heads"]
    writer.add_rope_dimension_count(int(config.get("partial_rotary_factor", 1.0) * width))
    writer.add_sliding_window(config.get("sliding_window") or 0)
    if scaling := config.get("rope_scaling"):
        original = config["original_max_position_embeddings"]
        stretch = config["max_position_embeddings"] / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(stretch) / math.log(original)))
        for length in ("long", "short"):
            factors = torch.tensor(scaling[f"{length}_factor"]).numpy()
            writer.add_tensor(f"rope_factors_{length}.weight", factors)
    return convert


def gemma(config, writer):
    local = config.get("rope_local_base_freq")
    like_llama({"rope_theta": 10000.0, **config}, writer)
    writer.add_key_length(config["head_dim"])
    writer.add_sliding_window(config["sliding_window"])
    if local:
        writer.add_rope_freq_base_swa(local)
        writer.add_sliding_window_pattern(config["sliding_window_pattern"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config["rope_scaling"]["factor"])
    else:
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    return lambda name, tensor: tensor + 1 if "norm" in name else tensor


def experts(config, writer):
    like_llama(config, writer)
    writer.add_expert_count(config.get("num_experts") or config["num_local_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])


def mixtral(config, writer):
    experts(config, writer)
    writer.add_sliding_window(config["sliding_window"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}

    def convert(name, tensor):
        n = heads.get(name.split(".")[-2])
        return tensor.unflatten(0, (n, 2, -1)).transpose(1, 2).flatten(0, 2) if n else tensor

    return convert


def qwen2_moe(config, writer):
    experts(config, writer)
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
    return lambda _name, tensor: tensor.squeeze()


FAMILIES = {
    "gpt2": (gguf.MODEL_ARCH.GPT2, gpt2),
    "neox": (gguf.MODEL_ARCH.GPTNEOX, neox),
    "phi3-long": (gguf.MODEL_ARCH.PHI3, phi3),
    "olmo2": (gguf.MODEL_ARCH.OLMO2, like_llama),
    "gemma2": (gguf.MODEL_ARCH.GEMMA2, gemma),
    "gemma3": (gguf.MODEL_ARCH.GEMMA3, gemma),
    "mixtral": (gguf.MODEL_ARCH.LLAMA, mixtral),
    "qwen2-moe": (gguf.MODEL_ARCH.QWEN2MOE, qwen2_moe),
}


def stacked(tensors):
    """With the matrices of all experts of a block in one, in order."""
    count = 1 + max((int(n) for name in tensors for n in re.findall(r"\.experts\.(\d+)\.", name)), default=0)
    for name, tensor in tensors.items():
        if ".experts." not in name:
            yield name, tensor
        elif ".experts.0." in name:
            every = [tensors[name.replace(".experts.0.", f".experts.{e}.")] for e in range(count)]
            yield name.replace(".experts.0.", ".experts."), torch.stack(every)


def make(name):
    folder = GOLDEN / name
    arch, describe = FAMILIES[name]
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(folder / "model.gguf", gguf.MODEL_ARCH_NAMES[arch])
    convert = describe(config, writer)
    names = gguf.get_tensor_name_map(arch, config.get("n_layer") or config["num_hidden_layers"])
    for tensor_name, tensor in stacked(load_file(folder / "model.safetensors")):
        converted = convert(tensor_name, tensor)
        if converted is not None:
            known = names.get_name(tensor_name, try_suffixes=(".weight", ".bias"))
            assert known, tensor_name
            writer.add_tensor(known, converted.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{name}: {(folder / 'model.gguf').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    for name in sys.argv[1:] or FAMILIES:
        make(name)
