"""Speed against today's solvers, the inputs on which they go wrong, gradient flows and their ends, bounds.

python -m benchmarks [PART] [--full] [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import bounds, crossvalidation, ends, flows, growth, large, mapped, sparse, speed, wrong
from benchmarks.table import machine

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS: dict[str, tuple[str, int, int, Callable[[int], str]]] = {
    "speed": ("Speed", 15, 51, speed.run),
    "large": ("Large problems", 3, 7, large.run),
    "sparse": ("A sparse design", 3, 7, sparse.run),
    "mapped": ("A design that stays in its file", 40_000, mapped.FULL, mapped.run),
    "growth": ("Growth", 3, 7, growth.run),
    "selection": ("Cross-validation", 3, 7, crossvalidation.run),
    "wrong": ("Inputs on which today's solvers go wrong", 500, 2000, wrong.run),
    "flows": ("Gradient flow", 3, 11, flows.run),
    "ends": ("Where training ends", 5, 21, ends.run),
    "bounds": ("Bounds", 50, 500, bounds.run),
}
"""Title, repetitions, those of --full, and what makes it; of mapped, columns of the file for repetitions."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="one of them; all if left out")
    parser.add_argument(
        "--full",
        action="store_true",
        help="more repetitions: 51 pairs, 2000 problems a family, 500 networks a kind, 3.2 GB",
    )
    parser.add_argument("--write", action="store_true", help=f"bring {RESULTS.name} beside this file up to date")
    arguments = parser.parse_args()

    parts = {arguments.part: PARTS[arguments.part]} if arguments.part else PARTS
    made = {}
    for title, few, many, run in parts.values():
        made[title] = "\n\n".join([machine(), run(many if arguments.full else few)])
        print(f"## {title}\n\n{made[title]}\n", flush=True)
        if arguments.write:
            RESULTS.write_text(merged(RESULTS.read_text() if RESULTS.exists() else "", made))


def merged(old: str, made: dict[str, str]) -> str:
    """The page with the sections that were made anew in the place of the old ones."""
    kept = dict(section.split("\n\n", 1) for section in old.split("\n## ")[1:])
    sections = {title: text.strip() for title, text in (kept | made).items()}
    titles = [title for title, *_ in PARTS.values() if title in sections]
    body = [f"## {title}\n\n{sections[title]}" for title in titles]
    return "\n\n".join(["# Benchmarks", "Made by `python -m benchmarks PART --write`, part by part.", *body]) + "\n"


if __name__ == "__main__":
    main()
