"""The commands with their arguments and options, as ``lassoflow COMMAND --help`` has them, from the program itself."""

from __future__ import annotations

import re
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lassoflow.cli import app


class Commands(SphinxDirective):
    """``.. commands::``: a section for every command."""

    def run(self) -> list[nodes.Node]:
        """Write the text of the page, and read it."""
        self.env.note_reread()  # the program is in several files
        program = typer.main.get_command(app())
        top = program.context_class(program, info_name="lassoflow")
        text: list[str] = []
        for name, command in program.commands.items():
            text += [f".. _command-{name}:", "", name, "-" * len(name), "", f".. program:: lassoflow {name}", ""]
            text += [command.help, "", ".. code-block:: text", "", f"   {_usage(command, name)}", ""]
            text += _entries(command, command.context_class(command, info_name=name, parent=top))
        return self.parse_text_to_nodes("\n".join(text), allow_section_headings=True)


def _usage(command: Any, name: str) -> str:
    arguments = [str(each.metavar) for each in command.params if each.param_type_name == "argument"]
    return " ".join(["lassoflow", name, *arguments, "[OPTIONS]"])


def _entries(command: Any, context: Any) -> list[str]:
    """Arguments as a list of definitions, options as Sphinx has them, so that they can be referred to."""
    arguments, options = [], []
    for each in command.params:
        left, words = each.get_help_record(context)
        words = _escaped(words)
        if each.param_type_name == "argument":
            arguments += [f"``{each.metavar}``", f"   {words}", ""]
        else:
            options += [f".. option:: {_names(left)}", "", f"   {words}", ""]
    return arguments + options


def _names(left: str) -> str:
    """``-t, --target COLUMN`` with what follows behind either name."""
    names, value = re.fullmatch(r"((?:-\S+, )*-\S+) ?(.*)", left).groups()
    value = value.replace(" range>", ">")
    return ", ".join(f"{name} {value}".strip() for name in names.split(", "))


def _escaped(words: str) -> str:
    """Words of a terminal as reStructuredText; defaults and ranges in italics."""
    words = re.sub(r"([*`|_\\])", r"\\\1", words)
    words = re.sub(r"(?<!\S)(--[\w-]+\w)", r"``\1``", words)
    return re.sub(r"\s+\[([^\[\]]*)\]$", r" *[\1]*", words)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
