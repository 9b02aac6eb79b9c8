"""The page as one HTML file: template, style and script of this folder, facts, and plotly. It asks for nothing else.

The browser may run two scripts, which the page's policy names by their hashes: the page's own, and plotly. So a name
that would break out of its place could still run nothing. Connections, frames, forms and other files are forbidden.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from autospikformer_cli.atomic_files import explaining_refusal, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.page.columns import packed
from autospikformer_cli.report.page.facts import page_facts
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.store.targets import require_target
from autospikformer_cli.wording import counted

PAGE_SUFFIXES = (".html", ".htm")
MOST_VECTORS = 2000
"""With more candidates, plotly draws by WebGL, which makes functions of texts. Else the page forbids that, too."""
SCRIPTS = (
    "numbers.js", "archive.js", "ranking.js", "figures.js", "energy_figures.js", "table.js", "panels.js", "page.js",
)  # fmt: skip
_MARK = re.compile(r"<!--aspk:(\w+)-->|/\*aspk:(\w+)\*/|aspk:(policy)")


@dataclass(frozen=True)
class WrittenPage:
    """A page that was written."""

    path: Path
    run: Path
    search: str
    num_candidates: int
    num_bytes: int

    def __str__(self) -> str:
        """What a command says of it."""
        size = f"{self.num_bytes / 1e6:.2f} MB"
        return f"page: {self.path}, {size}, {counted(self.num_candidates, 'candidate')} of {self.run}, {self.search}"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "run": str(self.run),
            "search": self.search,
            "page": str(self.path),
            "bytes": self.num_bytes,
            "num_candidates": self.num_candidates,
        }


def require_page(path: Path) -> None:
    """Raises UserError for a path that no page can be written to."""
    require_target(path)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        what = f"a page is written as .html or .htm, not as {path.suffix or 'a file without a suffix'}"
        raise UserError(what, str(path), f"write {path.with_suffix('.html')}")


def write_page(results: SearchResults, path: Path, verbose: bool = False) -> WrittenPage:
    """Write the page of a search, whole or not at all. The same results give the same bytes.

    verbose: list every switch. Raises UserError if a convention needs counts that are not stored, or the disk refuses.
    """
    content, num_candidates = page_content(results, verbose)
    with explaining_refusal(path, "choose another file, in a folder that may be written"):
        write_whole(path, content)
    return WrittenPage(path, results.path, results.population.name, num_candidates, len(content))


def page_content(results: SearchResults, verbose: bool = False) -> tuple[bytes, int]:
    """The page's bytes, and the number of its candidates. Raises UserError."""
    facts = page_facts(results, verbose)
    script = _script()
    vectors = facts.num_candidates <= MOST_VECTORS
    document = json.dumps(facts.document | {"vectors": vectors}, ensure_ascii=False, allow_nan=False)
    parts = {
        "policy": _policy((script, _plotly_source()), vectors),
        "title": html.escape(results.title),
        "style": _part("page.css"),
        "facts": packed(document.encode()),
        "columns": packed(facts.columns),
        "plotly": _packed_plotly(),
        "script": script,
    }
    return _filled(_part("template.html"), parts).encode(), facts.num_candidates


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with each part in its place, in one pass: what stands in a part is never taken for a place."""
    return _MARK.sub(lambda found: parts[found[1] or found[2] or found[3]], template)


def _policy(scripts: tuple[str, ...], vectors: bool) -> str:
    hashes = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode("ascii") for each in scripts)
    allowed = [*(f"'sha256-{each}'" for each in hashes), *([] if vectors else ["'unsafe-eval'"])]
    return (
        f"default-src 'none'; script-src {' '.join(allowed)}; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _part(name: str) -> str:
    return files("autospikformer_cli.report.page").joinpath("parts", name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """The page's own script: its files one after the other, in one scope of their own."""
    return '"use strict";\n(() => {\n' + "\n".join(map(_part, SCRIPTS)) + "})();\n"


@cache
def _plotly_source() -> str:
    """The text of plotly.min.js. Raises UserError if plotly is not installed."""
    spec = find_spec("plotly")  # importing it would load all of its Python
    if spec is None or not spec.submodule_search_locations:
        raise UserError("plotly, which draws the page's figures, is not installed", fix="pip install plotly")
    path = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    return path.read_text(encoding="utf-8")


@cache
def _packed_plotly() -> str:
    return packed(_plotly_source().encode())
