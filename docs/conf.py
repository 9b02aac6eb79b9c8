"""How `make docs` makes a site of the Markdown pages: README.md first, then those that docs/index.md lists.

Nothing of it is fetched, neither while it is made nor while it is read: formulas are MathML, and no link is checked.
"""

from __future__ import annotations

import re
from pathlib import Path

import tomli
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parents[1]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLACES = ("README.md", "CHANGELOG.md", "docs", "benchmarks", "plugins")
"""What Sphinx walks through: the pages, and no environment, data set or run next to them."""

project = "aspk"
author = "The aspk developers"
copyright = author  # noqa: A001
version = release = PROJECT["version"]

root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "docs/*.md", "benchmarks/**.md", "plugins/*/README.md"]
exclude_patterns = [path.name for path in ROOT.iterdir() if path.name not in PLACES]
nitpicky = True

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
highlight_language = "text"
smartquotes = False

html_theme = "furo"
html_title = "aspk"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_extra_path = ["site/index.html"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_math_renderer = "mathml"


def contents(index: str) -> str:
    """The site's contents: a hidden toctree for each heading of docs/index.md, of the pages under it."""
    parts = ["```{toctree}\n:hidden:\n\n/docs/index\n```\n"]
    for caption, listed in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", index, re.DOTALL | re.MULTILINE):
        pages = re.findall(r"^- \[[^]]+\]\(([^)]+)\.md\)", listed, re.MULTILINE)
        entries = "\n".join("/" + (Path("docs") / page).as_posix() for page in pages)
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n")
    return "\n".join(parts).replace("/docs/../", "/")


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """The first page is README.md as it is, with the contents, which only the site can show. So are the benchmarks."""
    if docname == root_doc:
        source[0] += "\n" + contents((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    if docname == "benchmarks/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\nresults/*\n```\n"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """A formula in the text as MathML, which every browser shows without a script."""
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula on a line of its own."""
    self.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register what is ours."""
    app.connect("source-read", add_contents)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
