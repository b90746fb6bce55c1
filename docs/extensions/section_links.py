"""Words become links: "docs, section 5" to that section of the theory, and the role ``figure`` to a figure's script.

Docstrings name sections in words, which read well where there are no links. Here "docs, section 5", "docs/theory,
section 16" and "docs, sections 2 and 4" become links to the labels ``section-5`` and so on, on all pages: in the API,
in the gallery's prose and in Markdown.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxRole

LAST = 16
"""The number of the last section."""

_WORDS = re.compile(r"\bdocs(?:/theory)?,\s+sections?\s+\d+(?:(?:,|\s+and|\s+to)\s+\d+\b)*")
_NUMBER = re.compile(r"\d+")


class SectionLinks(SphinxTransform):
    """Text nodes are cut where the words are; code, titles and what is a link already stay as they are."""

    default_priority = 500

    def apply(self, **kwargs: object) -> None:
        """Put links in the place of words."""
        kept = (nodes.literal, nodes.literal_block, nodes.FixedTextElement, nodes.reference, pending_xref, nodes.title)
        for text in list(self.document.findall(nodes.Text)):
            if isinstance(text.parent, kept) or not _WORDS.search(text):
                continue
            parts: list[nodes.Node] = []
            at = 0
            for match in _WORDS.finditer(text):
                parts += [nodes.Text(text[at : match.start()]), *self._links(match[0])]
                at = match.end()
            text.parent.replace(text, [*parts, nodes.Text(text[at:])])

    def _links(self, words: str) -> list[nodes.Node]:
        """The words up to the first number as one link, each further number as one."""
        found: list[nodes.Node] = []
        at = 0
        for number in _NUMBER.finditer(words):
            between = "" if not found else words[at : number.start()]
            start = number.start() if found else 0
            found += [nodes.Text(between)] * bool(between)
            found.append(self._link(int(number[0]), words[start : number.end()]))
            at = number.end()
        return found

    def _link(self, number: int, words: str) -> nodes.Node:
        if not 1 <= number <= LAST:
            raise ExtensionError(f"{self.env.docname}: {words!r}: sections go from 1 to {LAST}")
        target = {"refdomain": "std", "reftype": "ref", "reftarget": f"section-{number}", "refexplicit": True}
        link = pending_xref(
            "", nodes.inline("", " ".join(words.split())), refdoc=self.env.docname, refwarn=True, **target
        )
        link.source, link.line = self.document.get("source"), None
        return link


class FigureRole(SphinxRole):
    """``{figure}`berthier_paths``` links to the page of that figure in the gallery."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Find the script by its name: scripts are numbered in the order of the figures."""
        scripts = sorted(Path(self.env.srcdir, "gallery", "papers").glob(f"[0-9][0-9]_*_{self.text}.py"))
        scripts = [each for each in scripts if each.stem.split("_", 2)[2] == self.text]
        if not scripts:
            raise ExtensionError(f"{self.env.docname}: no figure {self.text!r}")
        link = pending_xref(
            "", nodes.literal("", self.text), refdoc=self.env.docname, refdomain="std", reftype="doc",
            reftarget=f"/auto_gallery/papers/{scripts[-1].stem}", refexplicit=True, refwarn=True,
        )  # fmt: skip
        return [link], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(SectionLinks)
    app.add_role("figure", FigureRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
