"""The documentation's site: made without a warning, whole without a network, with every page in its contents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FETCHED = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*(?:src|href)=["'](?:https?:)?//|@import|url\(["']?https?:""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made as `make docs` makes it."""
    pytest.importorskip("sphinx", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-c", "docs", "-d", str(folder / "doctrees")]
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return folder / "html"


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 30
    assert not [page for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))]


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "docs" / "energy.html").read_text(encoding="utf-8")
    assert text.count("<math") > 50
    assert "\\mathrm" not in text
    assert "$" not in re.sub(r"<pre>.*?</pre>|<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_first_page_is_the_readme_and_leads_to_every_page(site: Path) -> None:
    assert "url=README.html" in (site / "index.html").read_text(encoding="utf-8")
    first = (site / "README.html").read_text(encoding="utf-8")
    contents = set(re.findall(r'class="reference internal" href="([^"#]+)"', first))
    made = {str(page.relative_to(site)) for page in site.rglob("*.html")}
    assert made - {"README.html", "index.html", "search.html", "genindex.html"} <= contents


def test_links_between_pages_lead_to_pages(site: Path) -> None:
    for page in site.rglob("*.html"):
        for target in re.findall(r'href="([^"#:]+)(?:#[^"]*)?"', page.read_text(encoding="utf-8")):
            assert (page.parent / target.partition("?")[0]).exists(), (page, target)
