"""The page as a file: what stands in it, how large it is, what it forbids, and which wishes are refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

from autospikformer_cli.api import read_results
from autospikformer_cli.cli.documents import PageDocument
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import StoredObjective
from autospikformer_cli.report.page import writing
from autospikformer_cli.report.page.writing import SCRIPTS, WrittenPage, write_page

Aspk = Callable[..., Any]
InventedRun = Callable[..., Any]
PARTS = Path(__file__).parents[2] / "autospikformer_cli" / "report" / "page" / "parts"
BREAKS_OUT = '</script><img src=x onerror="document.title=1">\u2028 & <b>'
MOST_BYTES = 3_000_000


def block(page: bytes, name: str) -> bytes:
    """The bytes of a block of the page."""
    found = re.search(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page.decode())
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1]))


def facts(page: bytes) -> Any:
    return json.loads(block(page, "facts"))


def written(run: Path, **wishes: Any) -> bytes:
    page = Path("page.html")
    write_page(read_results(run, **wishes), page)
    return page.read_bytes()


def test_a_thousand_candidates_of_a_real_network_take_less_than_3_megabytes(
    invented_run: InventedRun, own_folder: Path
) -> None:
    """Under every convention and profile, with all layers."""
    run = invented_run(Path("run"), 1000).path
    page = written(run)
    assert len(page) < MOST_BYTES
    found = facts(page)
    assert len(found["candidates"]["ids"]) == 1000
    assert [len(profiles) for profiles in found["scorings"]] == [3] * 6
    assert all(each["layers"] for profiles in found["scorings"] for each in profiles)


def test_the_same_results_give_the_same_bytes(invented_run: InventedRun, own_folder: Path) -> None:
    run = invented_run(Path("run"), 20).path
    first, second = written(run), written(run)
    assert first == second
    assert written(run, overrides={"search.alpha": 0.25}) != first


def test_nothing_of_a_run_stands_in_the_page_as_html(invented_run: InventedRun, own_folder: Path) -> None:
    odd = f"runs {BREAKS_OUT.replace('/', '')}"
    objective = StoredObjective("latency", BREAKS_OUT, BREAKS_OUT, "less", 0.0)
    changes = {'root = "data"': f"root = {json.dumps(BREAKS_OUT)}"}
    run = invented_run(Path(odd), 5, objectives=[objective], changes=changes, name="invented").path
    page = written(run)
    text = page.decode()
    assert "<img" not in text
    assert "\u2028" not in text[text.index("<script") :]
    assert f"<title>{html.escape(odd)}, search invented</title>" in text
    found = facts(page)
    assert found["title"] == f"{odd}, search invented"
    assert found["objectives"][0]["label"] == BREAKS_OUT
    assert tomli.loads(found["recipe"])["data"]["root"] == BREAKS_OUT
    assert text.count("<script") == text.count("</script>") == 4


def test_the_policy_allows_two_scripts_by_hash_and_no_connection(invented_run: InventedRun, own_folder: Path) -> None:
    page = written(invented_run(Path("run"), 3).path)
    text = page.decode()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == rules["connect-src"] == rules["object-src"] == rules["base-uri"] == "'none'"
    own = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    scripts = [own.encode(), block(page, "plotly")]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}'" for each in scripts]
    assert rules["script-src"].split() == hashes
    assert text.index("Content-Security-Policy") < text.index("<script")


def test_webgl_alone_is_allowed_to_make_functions(
    invented_run: InventedRun, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = invented_run(Path("run"), 4).path
    assert "'unsafe-eval'" not in written(run).decode()
    monkeypatch.setattr(writing, "MOST_VECTORS", 3)
    assert "'unsafe-eval'" in written(run).decode()


def test_every_script_of_the_folder_is_part_of_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in PARTS.glob("*.js"))
    for path in PARTS.iterdir():
        assert path.stat().st_size < 20_000, path


@pytest.mark.parametrize("name", sorted(path.name for path in PARTS.glob("*.js")))
def test_functions_of_the_scripts_are_short(name: str) -> None:
    """At most 60 lines, as everywhere."""
    lines = (PARTS / name).read_text(encoding="utf-8").splitlines()
    begun = 0
    for number, line in enumerate(lines):
        if re.match(r"(async )?function |  (async |get )?\w+\(.*\) \{$", line):
            begun = number
        if line in ("}", "  }"):
            assert number - begun < 60, lines[begun]
        assert len(line) <= 120, line


def test_a_search_without_candidates_has_a_page(invented_run: InventedRun, own_folder: Path) -> None:
    found = facts(written(invented_run(Path("run"), 0).path))
    assert found["candidates"]["ids"] == []
    assert found["baseline"]["top1"] > 0


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [("quickstart-events", {}), ("quickstart", {"model.network": "transformer"}), ("nmnist", {})],
    ids=["events", "transformer", "nmnist"],
)
def test_other_networks_have_their_page(
    invented_run: InventedRun, own_folder: Path, recipe: str, overrides: dict[str, Any]
) -> None:
    run = invented_run(Path("run"), 8, recipe, overrides).path
    found = facts(written(run))
    energies = {scored.energy_j for scored in read_results(run).scores.ranked}
    assert len(energies) > 5
    has_price = overrides.get("model.network") != "transformer"  # loihi, the last, prices no operation of an ANN
    assert [[bool(each["layers"]) for each in profiles] for profiles in found["scorings"]] == [
        [True, True, has_price]
    ] * 6


def test_prices_that_are_not_known_open_the_page_without_energies(invented_run: InventedRun, own_folder: Path) -> None:
    run = invented_run(Path("run"), 6, changes={'profile = "cmos45"': 'profile = "cmos2"'}).path
    found = facts(written(run))
    assert found["opening"] == {"convention": "sound", "profile": "cmos2"}
    assert [each["name"] for each in found["profiles"]] == ["cmos2", "cmos45", "cmos45-memory", "loihi"]
    assert [each["priced"] for each in found["scorings"][0]] == [False, True, True, True]


def test_a_convention_without_its_counts_says_so(invented_run: InventedRun, own_folder: Path) -> None:
    run = invented_run(Path("run"), 6, without_synapses=True).path
    found = facts(written(run))
    names = [each["name"] for each in found["conventions"]]
    missing = [[each.get("missing") for each in profiles] for profiles in found["scorings"]]
    exact = missing.pop(names.index("border-exact"))
    assert all("before synaptic events were counted" in each for each in exact)
    assert missing == [[None] * 3] * 5
    with pytest.raises(UserError, match="synaptic events"):
        written(run, overrides={"energy.convention": "border-exact"})


def test_the_command_writes_a_page_and_says_where(aspk: Aspk, invented_run: InventedRun, own_folder: Path) -> None:
    invented_run(Path("runs/run"), 12)
    done = aspk("report", "--html", "page.html", "--alpha", 0.3, "--best", 5, "--convention", "strict")
    assert (done.exit_code, done.stderr) == (0, "")
    size = Path("page.html").stat().st_size
    assert done.stdout == f"page: page.html, {size / 1e6:.2f} MB, 12 candidates of runs/run, invented\n"
    found = facts(Path("page.html").read_bytes())
    assert (found["alpha"], found["best_num"], found["opening"]["convention"]) == (0.3, 5, "strict")
    document = aspk("report", "--html", "page.html", "--json").stdout
    assert PageDocument.model_validate_json(document).num_candidates == 12


@pytest.mark.parametrize(
    "words",
    [
        ("--figure", "front"), ("--figures", "pictures"), ("--to", "x.png"), ("--table", "front"), ("--methods",),
        ("--top", "3"), ("--alpha-sweep",), ("--intervals",), ("--width", "double"), ("--subnet", "best"),
        ("--against", "x"), ("--literature",), ("--format", "csv"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_options_that_do_nothing_to_a_page_are_refused(aspk: Aspk, own_folder: Path, words: tuple[str, ...]) -> None:
    done = aspk("report", "--html", "page.html", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {words[0]}: it does nothing to the page of --html\n")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("page.pdf", "error: page.pdf: a page is written as .html or .htm, not as .pdf\n  write page.html\n"),
        ("absent/page.html", "error: absent/page.html: there is no folder absent\n  make it first: mkdir -p absent\n"),
        ("folder.html", "error: folder.html: this is a folder\n  name a file in it\n"),
        ("runs/page.html", "error: runs has no run"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(
    aspk: Aspk, own_folder: Path, page: str, said: str
) -> None:
    """There is no run at all; only the last file could be written."""
    Path("folder.html").mkdir()
    Path("runs").mkdir()
    done = aspk("report", "--html", page)
    assert done.exit_code == 2
    assert done.stderr.startswith(said) or said.startswith("error: runs")


def test_what_is_written_has_its_facts() -> None:
    page = WrittenPage(Path("a.html"), Path("runs/a"), "s", 1, 1_234_567)
    assert str(page) == "page: a.html, 1.23 MB, 1 candidate of runs/a, s"
    assert page.to_document() == {
        "run": "runs/a",
        "search": "s",
        "page": "a.html",
        "bytes": 1_234_567,
        "num_candidates": 1,
    }
