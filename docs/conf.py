"""Sphinx: pages in Markdown, the API from its docstrings, the gallery from scripts that are run."""

from __future__ import annotations

import sys
from pathlib import Path

import lassoflow

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "lassoflow"
author = copyright = "The lassoflow developers"  # noqa: A001, a name of Sphinx
version = release = lassoflow.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "benchmark_charts",
    "class_pages",
    "command_pages",
    "figure_scripts",
    "mathml",
    "sample_report",
    "section_links",
]
exclude_patterns = ["extensions", "gallery"]
templates_path = ["templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings have shapes, which types do not
autodoc_member_order = "groupwise"
napoleon_google_docstring = False
napoleon_use_param = False  # types are words, some of which are the names of members, too
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]  # a list like that of parameters
maximum_signature_line_length = 88

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "plot_",
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "min_reported_time": 1e6,  # seconds: none is shown
    "write_computation_times": False,
    "abort_on_example_error": True,
}

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

SINGLE = ("index", "tutorial", "which-path", "guide", "papers", "performance", "extending", "changes")
"""Pages without pages below them."""

html_theme = "pydata_sphinx_theme"
html_title = "lassoflow"
html_static_path = ["static"]
html_css_files = ["lassoflow.css", "api.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "search_bar_text": "Search",
}
html_sidebars = {page: [] for page in SINGLE}
