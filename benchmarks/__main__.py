"""Speed against today's solvers, the inputs on which they go wrong, gradient flows, and bounds on random instances.

python -m benchmarks [speed | wrong | flows | bounds] [--full] [--write]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bounds, flows, speed, wrong
from benchmarks.table import machine

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "part", nargs="?", choices=["speed", "wrong", "flows", "bounds"], help="one of them; all if left out"
    )
    parser.add_argument(
        "--full", action="store_true", help="more repetitions: 51 pairs, 2000 problems a family, 500 networks a kind"
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} beside this file as well")
    arguments = parser.parse_args()

    sections = ["# Benchmarks", f"Made by `python -m benchmarks{' --full' * arguments.full}`.", machine()]
    print("\n\n".join(sections), flush=True)
    if arguments.part in (None, "speed"):
        sections += ["## Speed", speed.run(pairs=51 if arguments.full else 15)]
        print("", *sections[-2:], sep="\n\n", flush=True)
    if arguments.part in (None, "wrong"):
        sections += ["## Inputs on which today's solvers go wrong", wrong.run(count=2000 if arguments.full else 500)]
        print("", *sections[-2:], sep="\n\n", flush=True)
    if arguments.part in (None, "flows"):
        sections += ["## Gradient flow", flows.run(repeats=11 if arguments.full else 3)]
        print("", *sections[-2:], sep="\n\n", flush=True)
    if arguments.part in (None, "bounds"):
        sections += ["## Bounds", bounds.run(count=500 if arguments.full else 50)]
        print("", *sections[-2:], sep="\n\n", flush=True)
    if arguments.write:
        RESULTS.write_text("\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
