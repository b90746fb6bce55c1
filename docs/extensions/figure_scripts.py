"""A gallery script for every figure of ``lassoflow reproduce``, from the registry, so that none can be forgotten."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from sphinx.application import Sphinx

from lassoflow.figures import FIGURES, Figure

FOLDER = "papers"
"""Under the gallery's folder; made anew by every build."""

_RUN = """
from textwrap import fill

from matplotlib import pyplot as plt

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

Every figure of ``lassoflow reproduce``, run in full when this page was built: experiments of the papers that lassoflow
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


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir, "gallery", FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "GALLERY_HEADER.rst").write_text(_HEAD)
    for number, figure in enumerate(FIGURES.values(), 1):
        prose = _module_words(figure)
        name = f"{number:02}_{'shown' if figure.reports else 'plot'}_{figure.name}.py"  # those with "plot_" are run
        _write_if_new(folder / name, _script(figure, prose))


def _module_words(figure: Figure) -> str:
    module = __import__(figure.run.__module__, fromlist=["__doc__"])
    return str(module.__doc__)


def _write_if_new(file: Path, text: str) -> None:
    """Unchanged scripts keep their time, so that they are not run again."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write, priority=100)  # before the gallery is made, at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
