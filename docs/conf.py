"""Sphinx: API pages by autosummary and numpydoc, a guide, and the gallery made from examples/."""

from __future__ import annotations

import doctest
import importlib.metadata
from typing import Any

project = "earlywarning"
author = "The earlywarning developers"
copyright = author  # noqa: A001 (Sphinx's name)
version = release = importlib.metadata.version("earlywarning")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"earlywarning {release}"
html_show_sourcelink = False

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
numpydoc_show_class_members = False
numpydoc_validation_checks = set()  # make check does it

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

suppress_warnings = ["config.cache"]  # the gallery's settings hold objects

# What the build, which asks no other site, cannot look up: names of other projects. Our own names must resolve.
nitpick_ignore_regex = [(r"py:.*", r"(?!ews\.|adapters\.).*")]

# Only the guide's doctest directives: the examples of the docstrings are run by pytest, with a tolerance for numbers.
doctest_test_doctest_blocks = ""
# Lists break where a line of the guide ends.
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
doctest_global_setup = "import logging; logging.getLogger('ews').setLevel(logging.ERROR)"


def save_figures(_block: tuple[Any, ...], variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Put the figures that a block of an example made on its page: they are made without pyplot, which it asks else."""
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    seen = variables.setdefault("seen_figures", [])
    paths = []
    for value in list(variables["example_globals"].values()):
        if isinstance(value, Figure) and not any(value is one for one in seen):
            seen.append(value)
            paths.append(next(variables["image_path_iterator"]))
            value.savefig(paths[-1], dpi=150)
    return str(figure_rst(paths, settings["src_dir"]))


sphinx_gallery_conf = {
    "image_scrapers": (save_figures,),
    "capture_repr": (),
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "show_memory": False,
    "min_reported_time": 1e9,
    "download_all_examples": False,
    "remove_config_comments": True,
    "reference_url": {"ews": None},
}
