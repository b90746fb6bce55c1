"""The page of papers: every function, figure, test and citation it names exists."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from lassoflow.figures import FIGURES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "papers.md").read_text()
ROLES = sorted(set(re.findall(r"\{(?:func|class|meth|attr)\}`~?([\w.]+)`", PAGE)))
TESTS = sorted(set(re.findall(r"`((?:\w+/)?test_\w+\.py)(?:::(\w+))?`", PAGE)))
KEYS = sorted({key for found in re.findall(r"\{cite:[tp]\}`([^`]+)`", PAGE) for key in found.split(",")})


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def find(name: str) -> object:
    """What a dotted name stands for: the longest part of it that is a module, and attributes of that."""
    parts = name.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            value = import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            value = getattr(value, part)
        return value
    raise AttributeError(name)


def test_the_page_names_something():
    assert len(ROLES) >= 30
    assert len(TESTS) >= 60
    assert len(KEYS) >= 20


@pytest.mark.parametrize("name", ROLES)
def test_every_function_exists(name):
    assert find(name).__doc__


@pytest.mark.parametrize(("file", "function"), TESTS)
def test_every_test_exists(file, function):
    assert (ROOT / "tests" / file).is_file()
    assert any(name.startswith("test_") for name in functions(file))
    assert not function or function in functions(file)


def test_every_figure_is_named_and_exists():
    assert set(re.findall(r"\{figure\}`(\w+)`", PAGE)) == set(FIGURES)


def test_every_citation_is_in_the_references():
    entries = re.findall(r"^@\w+\{(\w+),", (ROOT / "docs" / "references.bib").read_text(), re.M)
    assert len(entries) == len(set(entries))
    assert set(KEYS) <= set(entries)


def test_every_theorem_test_is_on_the_page():
    """They are one file a theorem."""
    files = {f"theorems/{file.name}" for file in (ROOT / "tests" / "theorems").glob("test_*.py")}
    assert files <= {file for file, _ in TESTS}


@pytest.mark.parametrize("row", re.findall(r"^\* - (.*?)(?=^\* - |^:::)", PAGE, re.DOTALL | re.M))
def test_every_row_says_where_it_is_from_and_what_checks_it(row):
    if row.startswith("Statement"):
        return
    said, _, checked = re.split(r"^  - ", row, flags=re.M)
    assert re.search(r'<span class="tag">(read|abstract|code|memory|derived)</span>', said)
    assert "test_" in checked
