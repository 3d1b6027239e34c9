#!/usr/bin/env python3
"""Bits per byte that gzip and xz need for the texts a training kept aside, to set beside the network's.

    compressors.py DIR CORPUS...

DIR is the folder of a finished training, whose evaluation.json names those texts; CORPUS are the files or folders it
learnt from. Each compressor is given the texts alone, and a second time after all the others, so that it too may learn
from them: what counts then is by how much they make the result longer. (gzip looks back 32 KiB and gains nothing by it.)
"""

import gzip
import json
import lzma
import sys
from pathlib import Path


def read(paths):
    """Every text, by its file's name."""
    files = []
    for path in map(Path, paths):
        files += sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    texts = read(sys.argv[2:])
    evaluation = json.loads((Path(sys.argv[1]) / "evaluation.json").read_text(encoding="utf-8"))
    missing = [name for name in evaluation["held_out_texts"] if name not in texts]
    if missing:
        sys.exit(f"these texts are not in the corpus given: {', '.join(missing)}")
    held_out = b"".join(texts.pop(name) for name in evaluation["held_out_texts"])
    if len(held_out) != evaluation["held_out_bytes"]:
        sys.exit(f"the texts kept aside have {len(held_out)} bytes here and had {evaluation['held_out_bytes']} then")
    others = b"".join(texts[name] for name in sorted(texts))
    # As `xz -9`, with a dictionary that holds everything, so that nothing is out of its sight.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 26}]
    for name, size in [
        ("gzip -9", lambda data: len(gzip.compress(data, 9))),
        ("xz -9", lambda data: len(lzma.compress(data, filters=filters))),
    ]:
        alone, after = size(held_out), size(others + held_out) - size(others)
        print(f"{name:8} alone {8 * alone / len(held_out):.4f}  after the others {8 * after / len(held_out):.4f}")


if __name__ == "__main__":
    main()
