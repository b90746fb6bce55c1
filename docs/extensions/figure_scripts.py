"""A gallery script for every figure of ``lassoflow reproduce``, from the registry, so that none can be forgotten.

The role ``figure`` links to the page of a figure by its name.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from textwrap import dedent

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxRole

from lassoflow.figures import FIGURES, Figure

FOLDER = "papers"
"""Under the gallery's folder; made anew by every build."""

_RUN = """
from textwrap import fill

import matplotlib.pyplot as plt

from lassoflow.figures import FIGURES

made = FIGURES["{name}"].run(quick=False, seed=0)
made.draw(plt.figure(figsize=made.size, layout="constrained"))

# %%
# What was published, and what came here:
print(fill(made.sentence, 90))

# %%
# The tables behind the picture, as the command writes them:
for table, columns in made.data.items():
    print(f"{name}-{{table}}.csv:", *columns)
"""

_SHOW = """
# sphinx_gallery_thumbnail_path = "images/{name}.png"
from lassoflow.figures import FIGURES

study = FIGURES["{name}"]  # study.run(quick=True, seed=0) takes seconds

# %%
# This one takes half an hour, so it is not run for this page:
# ``lassoflow reproduce {name} --out out/figures``. Its picture, as that command made it:
#
# .. image:: /images/{name}.png
#    :alt: {title}
#
# The numbers behind it are in :doc:`/theory/selection-and-depth`.
"""

_HEAD = """\
Figures of the papers
---------------------

The figures of ``lassoflow reproduce``, run in full when this page was built (but for the selection study, which takes
half an hour): experiments of the papers that lassoflow
stands on, with what was published beside what came here.
"""


def _script(figure: Figure, prose: str) -> str:
    """The text of a gallery script: the module's own words, then the run."""
    rule = "=" * len(figure.title)
    first, _, rest = prose.partition("\n\n")
    words = f"{first}\n\n{dedent(rest)}".strip()
    command = f"On the command line: ``lassoflow reproduce {figure.name} --out out/figures``."
    head = f'r"""\n{figure.title}\n{rule}\n\n*{figure.paper}.*\n\n{words}\n\n{command}\n"""\n'
    body = _SHOW if figure.reports else _RUN
    return head + body.format(name=figure.name, title=figure.title)


def _name(figure: Figure) -> str:
    """Numbered in the order of the registry; only scripts with "plot_" in their names are run."""
    return f"{list(FIGURES).index(figure.name) + 1:02}_{'shown' if figure.reports else 'plot'}_{figure.name}"


def _write(app: Sphinx) -> None:
    """All scripts anew; the gallery runs those whose text has changed."""
    folder = Path(app.srcdir, "gallery", FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "GALLERY_HEADER.rst").write_text(_HEAD)
    for figure in FIGURES.values():
        prose = str(sys.modules[figure.run.__module__].__doc__)
        (folder / f"{_name(figure)}.py").write_text(_script(figure, prose))


class FigureRole(SphinxRole):
    """``{figure}`berthier_paths``` links to the page of that figure in the gallery."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A link to the document."""
        if self.text not in FIGURES:
            raise ExtensionError(f"{self.env.docname}: no figure {self.text!r}")
        link = pending_xref(
            "", nodes.literal("", self.text), refdoc=self.env.docname, refdomain="std", reftype="doc",
            reftarget=f"/auto_gallery/{FOLDER}/{_name(FIGURES[self.text])}", refexplicit=True, refwarn=True,
        )  # fmt: skip
        return [link], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write, priority=100)  # before the gallery is made, at 500
    app.add_role("figure", FigureRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
