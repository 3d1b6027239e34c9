#!/usr/bin/env python3
"""Times every view on every network of the zoo and on SmolLM2.

    bench_views.py --pellucid PROGRAM [--rounds N] [--write] [MODEL...]

Each view is asked its own example, on a prompt of 64 tokens where it takes one, in one process per model: the first
time (*cold*) and the median of `--rounds` more (*warm*). `--write` puts the table into docs/performance.md.
"""

import argparse
import json
import platform
import subprocess
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
SMOLLM2 = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
BEGIN, END = "<!-- views: begin -->", "<!-- views: end -->"


def ask(program, *arguments):
    done = subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def networks(program):
    """Every network that ships with the program, and SmolLM2 if it is there."""
    shipped = [model["model"] for model in ask(program, "models", "--json") if model["model"].startswith("zoo:")]
    return shipped + ([str(SMOLLM2)] if SMOLLM2.exists() else [])


def table(found, rounds):
    """The times as a table in Markdown: a row for each view, a column for each network."""
    called = {model: "SmolLM2-135M" if model == str(SMOLLM2) else model for model in found}
    views = sorted({view for times in found.values() for view in times})
    lines = [
        f"{platform.machine()}, {platform.system()}; {date.today()}; milliseconds, warm (cold), medians of {rounds}.",
        "",
        "| view | " + " | ".join(called[model] for model in found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    for view in views:
        cells = []
        for times in found.values():
            time = times.get(view)
            cells.append(f"{time['warm_seconds'] * 1e3:.1f} ({time['cold_seconds'] * 1e3:.1f})" if time else "")
        lines.append(f"| {view} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pellucid", required=True, help="the program")
    parser.add_argument("--rounds", type=int, default=5, help="how often each view is asked again")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("models", nargs="*", help="networks [default: the zoo and SmolLM2]")
    arguments = parser.parse_args()
    found = {
        model: ask(arguments.pellucid, "bench", "views", model, "--rounds", str(arguments.rounds), "--json")
        for model in arguments.models or networks(arguments.pellucid)
    }
    text = table(found, arguments.rounds)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
