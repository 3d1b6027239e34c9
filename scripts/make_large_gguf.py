#!/usr/bin/env python3
"""Writes a GGUF file with the shape of a 7B llama and random Q4_0 weights: to see that a large model opens.

    scripts/make_large_gguf.py OUT.gguf [--layers 32] [--seed 1]

Needs nothing but Python. The weights repeat a random pool of blocks at shifting offsets, so that writing takes seconds
and yet no two rows are alike; their scale keeps activations finite through all layers. There is no tokenizer: run it
with --tokens. 3.8 GB with all layers.
"""
import argparse
import random
import struct

D, FF, HEADS, VOCAB = 4096, 11008, 32, 32000
Q4_0, F32 = 2, 0
BLOCK, BLOCK_BYTES, ALIGN = 32, 18, 32


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def value(v):
    if isinstance(v, str):
        return struct.pack("<I", 8) + text(v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    return struct.pack("<II", 4, v)


def tensors(layers):
    """Name, shape (outermost first) and type of every tensor."""
    yield "token_embd.weight", (VOCAB, D), Q4_0
    for i in range(layers):
        yield f"blk.{i}.attn_norm.weight", (D,), F32
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{i}.{name}.weight", (D, D), Q4_0
        yield f"blk.{i}.ffn_norm.weight", (D,), F32
        yield f"blk.{i}.ffn_gate.weight", (FF, D), Q4_0
        yield f"blk.{i}.ffn_up.weight", (FF, D), Q4_0
        yield f"blk.{i}.ffn_down.weight", (D, FF), Q4_0
    yield "output_norm.weight", (D,), F32
    yield "output.weight", (VOCAB, D), Q4_0


def size(shape, kind):
    n = 1
    for s in shape:
        n *= s
    return n // BLOCK * BLOCK_BYTES if kind == Q4_0 else n * 4


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out")
    p.add_argument("--layers", type=int, default=32)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    metadata = {
        "general.architecture": "llama", "general.name": "random 7B shape", "llama.block_count": a.layers,
        "llama.context_length": 4096, "llama.embedding_length": D, "llama.feed_forward_length": FF,
        "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0, "llama.vocab_size": VOCAB,
        "general.alignment": ALIGN,
    }
    listed = list(tensors(a.layers))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(metadata))
    head += b"".join(text(k) + value(v) for k, v in metadata.items())
    offset = 0
    for name, shape, kind in listed:
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
        head += struct.pack("<IQ", kind, offset)
        offset += -(-size(shape, kind) // ALIGN) * ALIGN
    # A prime number of blocks: rows of any length start at ever new places of the pool.
    pool = b"".join(struct.pack("<e", rng.uniform(0.002, 0.006)) + rng.randbytes(16) for _ in range(200_003))
    pool *= 2
    at = 0
    with open(a.out, "wb") as f:
        f.write(head + bytes(-len(head) % ALIGN))
        for _, shape, kind in listed:
            n = size(shape, kind)
            if kind == F32:
                f.write(struct.pack("<f", 1.0) * (n // 4))
            else:
                left = n
                while left:
                    part = min(left, len(pool) // 2)
                    f.write(pool[at:at + part])
                    at = (at + part) % (len(pool) // 2)
                    left -= part
            f.write(bytes(-n % ALIGN))
    print(f"{a.out}: {len(listed)} tensors, {offset / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
