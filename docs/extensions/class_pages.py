"""What a class page shows: its methods and attributes, in short and in full, and docstrings that stand alone.

A page of autosummary's is written from ``docs/templates/autosummary/class.rst``; the directive ``members`` in it looks
at the class itself. It leaves out what scikit-learn and tuples hand down, and what only other modules of the library
call.
"""

from __future__ import annotations

import inspect
import re
from functools import cache, cached_property
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

LEFT_OUT = {
    "arguments", "from_arrays", "get_metadata_routing", "of", "read_finite", "read_layers", "require_data",
    "require_problem", "to_arrays",
}  # fmt: skip
"""Public among the modules of the library, of no use outside."""
SPECIAL = {"__call__", "__getitem__"}
"""Shown although their names begin with an underscore."""

_TYPED = {"Parameters", "Attributes", "Returns"}
"""Sections whose entries have types."""
_COLON = "\ue000"
"""Of an attribute napoleon takes the words before a first colon for its type: a letter that hides colons from it."""
_SEE_BASE = re.compile(r"See :\w+:`Network\.(\w+)`[.:]?\s*(.*)", re.DOTALL)
_ROLE = re.compile(r":(?:ref|term|class|func|meth|mod):`~?([^`<]+?)(?:\s*<[^>]*>)?`")


class Members(SphinxDirective):
    """``.. members:: module.Class``: tables of its methods and attributes, and then each of them in full."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the text of the page, and read it."""
        module, _, name = self.arguments[0].rpartition(".")
        kind = getattr(import_module(module), name)
        methods, attributes = members_of(kind)
        text = [*_table("Methods", name, methods), *_table("Attributes", name, attributes)]
        for member in methods:
            text += [f".. automethod:: {name}.{member}", ""]
        for member in attributes:
            text += [f".. auto{_sort_of(kind, member)}:: {name}.{member}", ""]
        return self.parse_text_to_nodes("\n".join(text))


def members_of(kind: type) -> tuple[list[str], list[str]]:
    """The names of the methods, and of the attributes with words of their own, as they stand in the source."""
    seen: dict[str, type] = {}
    for owner in kind.__mro__:
        if owner.__module__.startswith(("lassoflow", "sklearn.base")):
            for name in [*_commented(owner), *vars(owner)]:
                seen.setdefault(name, owner)
    names = [name for name, owner in seen.items() if _is_shown(name, owner)]
    described = _described(kind)
    methods = [name for name in names if callable(getattr(kind, name, None))]
    rest = [name for name in names if name not in methods and name not in described]
    return methods, [name for name in rest if _sort_of(kind, name) == "property" or name in _all_commented(kind)]


def _is_shown(name: str, owner: type) -> bool:
    if owner.__module__.startswith("sklearn"):
        return name == "score"
    return name in SPECIAL or not (name.startswith("_") or name in LEFT_OUT or re.fullmatch(r"set_\w+_request", name))


def _commented(owner: type) -> list[str]:
    """The attributes of a class that have a string of documentation below them."""
    docs = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
    return [name for qualified, name in docs if qualified == owner.__qualname__]


def _all_commented(kind: type) -> set[str]:
    return {name for owner in kind.__mro__ if owner.__module__.startswith("lassoflow") for name in _commented(owner)}


def _described(kind: type) -> set[str]:
    """The attributes that the docstring of the class has a paragraph for."""
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", inspect.getdoc(kind) or "", re.DOTALL | re.M)
    heads = re.findall(r"^(\S[^:\n]*)", section[1], re.M) if section else []
    return {name.strip() for head in heads for name in head.split(",")}


def _sort_of(kind: type, name: str) -> str:
    value = inspect.getattr_static(kind, name, None)
    return "property" if isinstance(value, property | cached_property) else "attribute"


def _table(title: str, name: str, members: list[str]) -> list[str]:
    if not members:
        return []
    return [
        f".. rubric:: {title}",
        "",
        ".. autosummary::",
        "   :nosignatures:",
        "",
        *(f"   ~{name}.{each}" for each in members),
        "",
    ]


def _docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Before napoleon reads the sections."""
    text, classes = "\n".join(lines), _classes(app.srcdir)
    if str(getattr(value, "__module__", "")).startswith("sklearn"):
        text = _ROLE.sub(r"``\1``", text)
    text = _linked(_completed(text, name), classes)
    text = _qualified(text, name if what == "class" else name.rpartition(".")[0], classes)
    if what in ("attribute", "property"):
        text = text.replace(": ", _COLON)
    lines[:] = text.split("\n")


def _completed(text: str, name: str) -> str:
    """Words that begin with "See :meth:`Network.x`", with those of that method in front."""
    see = _SEE_BASE.match(text.strip())
    if not see:
        return text
    base = import_module("lassoflow.architecture").Network
    inherited = inspect.getdoc(getattr(base, see[1])) or ""
    if inherited.startswith("See "):
        raise ExtensionError(f"{name}: Network.{see[1]} has no words of its own.")
    first, *rest = inherited.split("\n\n")
    own = see[2].strip()
    return "\n\n".join([first, *[own[:1].upper() + own[1:]] * bool(own), *rest, ""])


def _colons(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """After napoleon has read the sections."""
    lines[:] = [line.replace(_COLON, ": ") for line in lines]


def _qualified(text: str, owner: str, classes: dict[str, str]) -> str:
    """References with the full names of what they refer to, as summaries in tables need."""

    def full(match: re.Match[str]) -> str:
        role, target = match.groups()
        first, _, rest = target.partition(".")
        if first in classes:
            return f":{role}:`~{classes[first]}{'.' * bool(rest)}{rest}`"
        return f":{role}:`~{owner}.{target}`" if role in ("meth", "attr") and not rest else match[0]

    return re.sub(r":(class|meth|attr):`~?([A-Za-z_.]+)`", full, text)


def _linked(text: str, classes: dict[str, str]) -> str:
    """The types of parameters, attributes and what is returned, with links to the classes that have a page."""
    words = re.compile(rf"\b({'|'.join(classes)})\b")
    section, found = "", []
    for line, after in pairwise([*text.split("\n"), ""]):
        section = line if re.fullmatch(r"-{3,}", after) else section
        head, colon, kind = line.partition(" : ")
        if section == "Returns" and not colon:
            head, kind = "", line
        if section in _TYPED and kind and line[:1].strip() and not set(line) <= {"-"}:
            line = head + colon + words.sub(lambda each: f":class:`~{classes[each[0]]}`", kind)
        found.append(line)
    return "\n".join(found)


@cache
def _classes(folder: str) -> dict[str, str]:
    """The full names of classes that have a page, by the last part."""
    found, module = {}, ""
    for page in sorted(Path(folder, "api").glob("*.rst")):
        for current, name in re.findall(
            r"^(?:\.\. currentmodule:: (\S+)|   ~?([\w.]*\b[A-Z]\w+))$", page.read_text(), re.M
        ):
            module = current or module
            if name:
                found[name.rpartition(".")[2]] = f"{module}.{name}"
    return found


def _signature(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, None] | None:
    """Classes that are returned and never called, which have no parameters in their words, are shown without."""
    is_made = what == "class" and "\nParameters\n---" not in (inspect.getdoc(value) or "")
    return ("", None) if is_made else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("members", Members)
    app.connect("autodoc-process-docstring", _docstring, priority=100)  # napoleon is at 500
    app.connect("autodoc-process-docstring", _colons, priority=900)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
