"""The report page of the diabetes data, made by the command itself and laid beside the built pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html" and app.config.sphinx_gallery_conf["plot_gallery"]:
        page = Path(app.outdir, "report.html")
        command = [sys.executable, "-m", "lassoflow", "report", "diabetes", "--out", str(page)]
        subprocess.run(command, check=True, capture_output=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
