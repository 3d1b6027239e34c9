"""Golden networks: one module for each architecture family, and what they share.

`trace` holds the mathematics in f64, `golden` makes, checks and writes a folder, `family` says what a family's module
must bring. `FAMILIES` lists them all.
"""

from . import experts, gemma, gpt2, llama, neox, olmo2, phi3

FAMILIES = [llama.FAMILY, gpt2.FAMILY, neox.FAMILY, phi3.FAMILY, olmo2.FAMILY, gemma.FAMILY, experts.FAMILY]
