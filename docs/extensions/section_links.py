"""Words become links: "docs, section 5" to that section of the theory.

Docstrings name sections in words, which read well where there are no links. Here "docs, section 5", "docs/theory,
section 16" and "docs, sections 2 and 4" become links to the labels ``section-5`` and so on, on all pages: in the API,
in the gallery's prose and in Markdown. A section that there is not makes Sphinx warn, as any other label does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_WORDS = re.compile(r"(\bdocs(?:/theory)?,\s+sections?\s+\d+(?:(?:,|\s+and|\s+to)\s+\d+\b)*)")


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
            for k, part in enumerate(_WORDS.split(text)):  # text and words in turn
                parts += self._links(part) if k % 2 else [nodes.Text(part)]
            text.parent.replace(text, parts)

    def _links(self, words: str) -> Iterator[nodes.Node]:
        """The words up to the first number as one link, each further number as one."""
        for between, number in re.findall(r"(\D+)(\d+)", words):
            if between.startswith("docs"):
                yield self._link(number, between + number)
            else:
                yield from (nodes.Text(between), self._link(number, number))

    def _link(self, number: str, words: str) -> nodes.Node:
        link = pending_xref(
            "", nodes.inline("", " ".join(words.split())), refdoc=self.env.docname, refdomain="std", reftype="ref",
            reftarget=f"section-{number}", refexplicit=True, refwarn=True,
        )  # fmt: skip
        link.source = self.document.get("source")
        return link


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(SectionLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
