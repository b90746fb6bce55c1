"""The API pages: every public name is on one of them, and none that does not exist; sections that words name."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import lassoflow as lf

PAGES = sorted((Path(__file__).parents[1] / "docs" / "api").glob("*.rst"))


def listed() -> list[str]:
    """The full names of what autosummary and autodata list."""
    names = []
    for page in (page for page in PAGES if page.stem != "index"):
        module = "lassoflow"
        for line in page.read_text().splitlines():
            current = re.match(r"\.\. currentmodule:: (\S+)", line)
            module = current[1] if current else module
            entry = re.match(r"   ~?([A-Za-z_][\w.]*)$|\.\. autodata:: (\S+)", line)
            if entry:
                names.append(f"{module}.{entry[1] or entry[2]}")
    return names


def test_every_public_name_has_a_page():
    assert {f"lassoflow.{name}" for name in lf.__all__} <= set(listed())


def test_names_are_listed_once():
    names = listed()
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", listed())
def test_what_is_listed_exists_and_is_documented(name):
    module, _, last = name.rpartition(".")
    value = getattr(import_module(module), last)
    assert isinstance(value, dict) or value.__doc__


def test_every_topic_is_in_the_table_of_contents():
    index = next(page for page in PAGES if page.stem == "index").read_text()
    assert {page.stem for page in PAGES} - {"index"} <= set(re.findall(r"^   (\S+)$", index, re.M))


def test_words_that_name_sections_have_numbers_of_sections():
    """They become links: docs/extensions/section_links.py."""
    root = Path(__file__).parents[1]
    theory = "".join(page.read_text() for page in (root / "docs" / "theory").glob("*.md"))
    labels = {int(number) for number in re.findall(r"^\(section-(\d+)\)=$", theory, re.M)}
    for source in sorted((root / "src").rglob("*.py")):
        text = re.sub(r"\s*\n\s*#?\s*", " ", source.read_text())
        for named in re.finditer(r"\bdocs(?:/theory)?, sections? (\d+)(?:(?:,| and) (\d+))*", text):
            assert {int(number) for number in re.findall(r"\d+", named[0])} <= labels, (source.name, named[0])
        assert not re.search(r"see docs(?!(/theory)?, sections? \d)", text), source.name
