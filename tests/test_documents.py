"""What the documents tell a reader to run does run, and prints what they show.

The `python` and `sh` blocks of a document are run in order, in one namespace and one empty directory in which `.venv`
is the environment of these tests. A `text` block is what the `sh` block before it prints; in Python, `>>>` shows it.
"..." stands for anything, lines may be folded, and a number below 1e-12, which is rounding, equals any other such. A
comment `<!-- exit-code: 2 -->` announces a command that fails; without it nothing may come on stderr. What is run
elsewhere follows a `<!-- skip: next -->`.
"""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import lassoflow

matplotlib.use("agg")

ROOT = Path(__file__).parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ROUNDING = re.compile(r"(?<![\d.])\d(?:\.\d+)?e-(?:1[3-9]|[2-9]\d|\d{3})(?!\d)")
OTHERS = {"bash", "console", "ipython", "py", "pycon", "python3", "shell", "zsh"}
"""Names of blocks that would be run by nobody."""
TIMEOUT = 300
"""Seconds, of a block of `sh`."""


class Shell:
    """Runs `sh` blocks in a directory, and compares `text` blocks with what they printed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.code = 0
        self.printed: str | None = None
        source = str(Path(lassoflow.__file__).parents[1])
        path = os.pathsep.join([source, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(os.pathsep)
        self.environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg"}

    @property
    def parsers(self) -> list:
        return [CodeBlockParser("sh", self.run), CodeBlockParser("text", self.compare), self.announcements]

    def announcements(self, document: Document) -> Iterator[Region]:
        """The comments that announce the exit code of the next block."""
        for found in DirectiveInHTMLCommentLexer("exit-code")(document):
            yield Region(found.start, found.end, int(found.lexemes["arguments"]), self.announce)

    def announce(self, example: Example) -> None:
        self.code = example.parsed

    def run(self, example: Example) -> str | None:
        expected, self.code = self.code, 0
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example.parsed], cwd=self.directory, env=self.environment,
            capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.printed = done.stdout + done.stderr
        if done.returncode == expected and bool(done.stderr) == bool(expected):
            return None
        parts = [f"exit code {done.returncode}, expected {expected}, of", example.parsed]
        return "\n".join([*parts, "stdout:", done.stdout, "stderr:", done.stderr])

    def compare(self, example: Example) -> str | None:
        printed, self.printed = self.printed, None
        if printed is None:
            return "a text block shows what the sh block before it prints; there is none"
        shown, printed = (ROUNDING.sub("(rounding)", text) for text in (example.parsed, printed))
        checker = doctest.OutputChecker()
        if checker.check_output(shown, printed, FLAGS):
            return None
        return checker.output_difference(doctest.Example("", shown), printed, FLAGS)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty directory, and in it the environment of these tests, as `make` would have made it."""
    (tmp_path / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.fixture
def tables(directory):
    """The tables that the README calls the reader's own."""
    rng = np.random.default_rng(0)
    houses = pd.DataFrame(
        rng.normal(100.0, 20.0, (80, 6)), columns=["area", "rooms", "age", "distance", "floor", "noise"]
    )
    price = 3 * houses.area - 2 * houses.age + rng.normal(0.0, 10.0, 80)
    sold = (price + rng.normal(0.0, 60.0, 80) > price.median()).astype(int)
    houses.assign(price=price, sold=sold).to_csv("data.csv", index=False)
    houses.assign(sold=sold).head(5).to_csv("new.csv", index=False)
    pd.DataFrame(rng.normal(size=(4, 3)), columns=["a", "b", "c"]).to_csv("Y.csv", index=False)


def run(document: str, directory: Path) -> None:
    parsers = [PythonCodeBlockParser(doctest_optionflags=FLAGS), SkipParser(), *Shell(directory).parsers]
    parsed = Document.parse(str(ROOT / document), *parsers)
    assert not OTHERS.intersection(re.findall(r"^\s*```(\w+)", parsed.text, re.MULTILINE))
    examples = list(parsed)
    assert examples
    for example in examples:
        example.evaluate()


def test_readme(directory, tables):
    run("README.md", directory)


def test_guide(directory, tables):
    run("docs/guide.md", directory)


def test_tutorial(directory):
    run("docs/tutorial.md", directory)


def test_which_path(directory):
    run("docs/which-path.md", directory)


def test_links_lead_somewhere():
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
            assert "://" in target or (document.parent / target).exists(), (document.name, target)
