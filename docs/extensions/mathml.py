"""Formulas as MathML, converted by docutils: they show without a script, without a network, and in print."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_ACCENT = re.compile(r"(\\(?:bar|dot|hat|tilde) ?(?:\\[a-z]+|\w))(?=[_^])")
"""A letter with an accent, whose index docutils would put below the letter."""


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_converted(node, as_block=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_converted(node, as_block=True)}</div>')
    raise nodes.SkipNode


def _converted(node: nodes.Element, as_block: bool) -> str:
    text = re.sub("'+", lambda primes: "^{" + r"\prime" * len(primes[0]) + "}", node.astext())
    text = re.sub(_ACCENT, r"\1{}", text)
    try:
        formula = tex2mathml(text, as_block=as_block)
    except MathError as error:  # a formula that cannot be read must not pass in silence
        raise ExtensionError(f"{node.source}:{node.line}: {text!r}: {error}") from error
    # Bars are fences here; like angles they grow only where they are told to.
    formula = re.sub("<mo([^>]*)>([|‖])</mo>", r'<mo\1 lspace="0" rspace="0">\2</mo>', formula)
    return (
        formula
        if r"\left" in text
        else re.sub("<mo(?![^>]*stretchy)([^>]*)>([|‖⟨⟩])</mo>", r'<mo\1 stretchy="false">\2</mo>', formula)
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
