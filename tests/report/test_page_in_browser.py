"""The page in a real browser without a network: Python's numbers, by mouse and by keyboard, in light and dark."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli

from autospikformer_cli.api import read_results
from autospikformer_cli.measurement import StoredObjective
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.report.page.writing import write_page
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.units import energy_unit, format_energy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

InventedRun = Callable[..., Any]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("ASPK_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
NO_BROWSER = f"no Chromium: ASPK_CHROMIUM is not set, and none of {', '.join(BROWSERS)} is on PATH"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BREAKS_OUT = '</script><img src=x onerror="document.title=1">\u2028 & <b>'
LIMITS = {"search.limits.energy": 1.2e-6, "search.limits.top1": 55.0}
ALPHAS = (0.0, 1 / 3, 0.725, 1.0)
SCALES: dict[str, dict[str, Any]] = {
    "archive": {},
    "generation": {},
    "percentile": {"search.percentile": [10.0, 83.0]},
    "fixed": {"search.bounds": {"top1": [56.0, 60.0], "energy_j": [4e-7, 1e-6]}},
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)


@dataclass
class OpenPage:
    """A page in the browser. requests, messages: what it asked for, and what stands in the console."""

    tab: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def open(self, path: Path) -> OpenPage:
        """Load a file, and wait until its figures are drawn."""
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.tab.goto(path.resolve().as_uri())
        self.tab.wait_for_selector("html[data-ready]", state="attached")
        return self

    def choose(self, id_: str, label: str) -> None:
        self.tab.select_option(f"#{id_}", label=label)

    def set_alpha(self, alpha: float) -> None:
        self.tab.fill("#alpha-number", repr(alpha))
        self.tab.evaluate("() => new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))")

    def text(self, selector: str) -> str:
        return self.tab.text_content(selector) or ""

    def table(self, shown: str = "ranked") -> list[dict[str, str]]:
        """All rows of a list, with all their digits."""
        self.tab.select_option("#shown", shown)
        self.tab.select_option("#page-size", "500")
        self.tab.check("#all-digits")
        cells = "row => [...row.cells].map(cell => cell.textContent)"
        heads, *rows = self.tab.evaluate(f"() => [...document.getElementById('table').rows].map({cells})")
        self.tab.uncheck("#all-digits")
        self.tab.select_option("#page-size", "25")
        return [dict(zip(heads, row, strict=True)) for row in rows]

    def saved(self) -> list[dict[str, str]]:
        """The rows that "Save as CSV" gives."""
        with self.tab.expect_download() as download:
            self.tab.click("#save-csv")
        with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def column(self, name: str) -> list[str]:
        """A column of the page of the table that is on the screen."""
        heads = self.tab.locator("#table thead th").all_text_contents()
        return self.tab.locator(f"#table tbody tr td:nth-child({heads.index(name) + 1})").all_text_contents()

    def selected(self) -> str:
        """The id of the selected row, as a screen reader finds it."""
        return self.text('#table tr[aria-selected="true"] td:nth-child(2)')

    def ring(self) -> tuple[float, float]:
        """Where the ring of the front's figure is, in joules and percent."""
        found = self.tab.evaluate("() => document.getElementById('front').layout.shapes[0]")
        return float(found["xanchor"]), float(found["yanchor"])

    def plotted(self, name: str) -> list[tuple[float, float]]:
        """The points of a trace of the front's figure."""
        find = "document.getElementById('front').data.find(each => each.name === name)"
        found = self.tab.evaluate(f"name => {{ const {{x, y}} = {find}; return [[...x], [...y]] }}", name)
        return list(zip(*found, strict=True))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, patience: float) -> Iterator[Callable[..., OpenPage]]:
    """opened(path, width=..., color_scheme=...) -> OpenPage; without a network, and closed after the test."""
    contexts = []

    def open_page(path: Path, width: int = 1280, **settings: Any) -> OpenPage:
        size = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=size, offline=True, accept_downloads=True, **settings))
        contexts[-1].set_default_timeout(1000 * patience)
        return OpenPage(contexts[-1].new_page()).open(path)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def run(invented_run: InventedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 candidates: some alike, some over a limit, one not finite; an objective of a plugin; names of ill will."""
    folder = tmp_path_factory.mktemp("page") / BREAKS_OUT.replace("/", "")
    objective = StoredObjective("latency", BREAKS_OUT, "ms", "less", 0.0)
    changes = {'root = "data"': f"root = {json.dumps(BREAKS_OUT)}"}
    path: Path = invented_run(
        folder, 80, "quickstart", LIMITS, alike=3, not_finite=1, objectives=[objective], changes=changes
    ).path
    return path


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "page.html"
    write_page(read_results(run), path)
    return path


@pytest.fixture(scope="module")
def once_opened(browser: Browser, page: Path, patience: float) -> Iterator[OpenPage]:
    """The page in a tab that tests share, if they change nothing but what "As at first" restores."""
    settings = {"width": 1280, "height": 900}
    permissions = ["clipboard-read", "clipboard-write"]
    context = browser.new_context(viewport=settings, offline=True, accept_downloads=True, permissions=permissions)
    context.set_default_timeout(1000 * patience)
    yield OpenPage(context.new_page()).open(page)
    context.close()


@pytest.fixture
def found(once_opened: OpenPage) -> OpenPage:
    """The shared tab as it was at first."""
    once_opened.tab.click("#reset")
    once_opened.tab.fill("#find", "")
    once_opened.tab.select_option("#shown", "ranked")
    once_opened.tab.evaluate("() => window.scrollTo(0, 0)")
    return once_opened


def agrees(opened: OpenPage, results: SearchResults) -> None:
    """Whether every number and the order of all lists are those of Python, to the last digit."""
    rows = opened.table()
    expected = results.taken
    assert [row["Id"] for row in rows] == [scored.id for scored in expected]
    assert [row["F_AEB"] for row in rows] == [repr(scored.fitness) for scored in expected]
    assert [row["Energy (J)"] for row in rows] == [repr(scored.energy_j) for scored in expected]
    assert [row["Accuracy (%)"] for row in rows] == [repr(scored.top1) for scored in expected]
    assert [row["Rank"] for row in rows] == [str(number + 1) for number in range(len(expected))]
    front = opened.table("front")
    assert {row["Id"] for row in front} == {scored.id for scored in results.front}
    rejected = opened.table("rejected")
    assert {(row["Id"], row["Why it is rejected"]) for row in rejected} == {
        (each.candidate.id, each.reason) for each in results.scores.rejected
    }
    opened.tab.select_option("#shown", "ranked")


def test_the_page_asks_for_nothing_and_the_console_is_silent(
    opened: Callable[..., OpenPage], run: Path, page: Path
) -> None:
    found = opened(page)
    assert found.selected() == read_results(run).taken[0].id
    for convention in ("strict", "border-exact"):
        found.choose("convention", convention)
    found.set_alpha(0.2)
    found.tab.click("#reset")
    found.tab.wait_for_timeout(200)
    assert found.requests == [page.resolve().as_uri()]
    assert found.messages == []
    assert found.text("#trouble") == ""


@pytest.mark.parametrize("scale", SCALES)
def test_the_slider_ranks_as_python_does_to_the_last_digit(
    opened: Callable[..., OpenPage], run: Path, own_folder: Path, scale: str
) -> None:
    keys = {"search.normalise": scale, **SCALES[scale]}
    results = read_results(run, keys)
    write_page(results, Path("page.html"))
    found = opened(Path("page.html"))
    searched = recipe_from_toml(results.population.recipe_toml, results.population.recipe_name)
    fitness = recipe_problem(results.recipe, searched, results.population.objectives).fitness
    orders = set()
    for alpha in ALPHAS:
        found.set_alpha(alpha)
        scores = replace(fitness, alpha=alpha).score(results.population.candidates)
        agrees(found, replace(results, scores=scores))
        orders.add(tuple(scored.id for scored in scores.ranked))
    assert len(orders) == len(ALPHAS)


def test_conventions_and_profiles_price_as_python_does(found: OpenPage, run: Path) -> None:
    conventions = found.tab.locator("#convention option").all_text_contents()
    profiles = found.tab.locator("#profile option").all_text_contents()
    assert conventions[:2] == ["sound", "border-exact"]
    assert profiles == ["cmos45", "cmos45-memory", "loihi"]
    for place, convention in enumerate(conventions):
        profile = profiles[place % len(profiles)]
        found.choose("convention", convention)
        found.choose("profile", profile)
        results = read_results(run, {"energy.convention": convention, "energy.profile": profile})
        agrees(found, results)
        assert results.baseline is not None
        shown = [each.energy_j for each in (*results.taken, results.baseline)]
        assert format_energy(results.baseline.energy_j, energy_unit(shown)) in found.text("#front-text")
        remarks = found.tab.locator("#remarks li").all_text_contents()
        assert f"Kendall's tau between accuracy and energy: {results.kendall_tau:.2f}" in " ".join(remarks)
        assert f"profile {profile}, convention {convention}" in found.text("#provenance")


def test_the_best_n_are_taken_as_python_takes_them(
    opened: Callable[..., OpenPage], run: Path, own_folder: Path
) -> None:
    write_page(read_results(run, {"search.alpha": 0.9}, best=20), Path("page.html"))
    found = opened(Path("page.html"))
    agrees(found, read_results(run, {"search.alpha": 0.9}, best=20))
    assert "Tau and noise below are those of" not in found.text("#remarks")
    found.set_alpha(0.1)
    agrees(found, read_results(run, {"search.alpha": 0.1}, best=20))
    assert "Tau and noise below are those of the best 20 at alpha 0.9" in found.text("#remarks")
    found.tab.fill("#best-num", "")
    found.tab.press("#best-num", "Enter")
    agrees(found, read_results(run, {"search.alpha": 0.1}))


def test_what_is_drawn_is_what_python_finds(found: OpenPage, run: Path) -> None:
    results = read_results(run)
    unit = energy_unit([each.energy_j for each in results.taken])

    def points(candidates: Any) -> list[tuple[float, float]]:
        return [(each.energy_j / unit.joules, each.top1) for each in candidates]

    assert found.plotted("candidates") == points(results.taken)
    assert found.plotted("Pareto front") == points(results.front)
    assert found.plotted("baseline") == points([results.baseline])
    shape = "document.getElementById('front').data.find(each => each.name === 'Pareto front').line.shape"
    assert found.tab.evaluate(f"() => {shape}") == "hv", "steps: no accuracy between two points that none has"
    rejected = found.plotted("rejected")
    assert len(rejected) == len(results.scores.rejected)


def test_layers_add_up_to_the_energy_of_the_candidate(found: OpenPage, run: Path) -> None:
    for convention, profile in (("sound", "cmos45"), ("strict", "cmos45-memory"), ("mean-rate", "loihi")):
        found.choose("convention", convention)
        found.choose("profile", profile)
        results = read_results(run, {"energy.convention": convention, "energy.profile": profile})
        assert results.baseline is not None
        unit = energy_unit([*(each.energy_j for each in results.taken), results.baseline.energy_j])
        energies = {each.id: each.energy_j for each in results.taken}
        for place in range(5):
            found.tab.click(f"#table tbody tr:nth-child({place + 1})")
            shown = found.text("#layers-table tfoot td:nth-of-type(3)")
            assert shown == unit.number(energies[found.selected()])
            parts = found.tab.locator("#layers-table tbody td:nth-of-type(3)").all_text_contents()
            assert sum(map(float, parts)) == pytest.approx(float(shown), rel=1e-3)


def test_a_click_on_a_point_selects_its_row_and_a_row_its_point(
    found: OpenPage, run: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    results = read_results(run)
    point = results.front[-1]
    place = found.tab.evaluate(
        """energy => {
            const div = document.getElementById('front'), {_fullLayout: l} = div, box = div.getBoundingClientRect();
            const t = div.data.find(t => t.name === 'Pareto front'), n = t.x.length - 1;
            return [box.x + l.xaxis._offset + l.xaxis.l2p(t.x[n]), box.y + l.yaxis._offset + l.yaxis.l2p(t.y[n])];
        }""",
        point.energy_j,
    )

    def hovers() -> bool:
        """A figure that is still being drawn sees no mouse."""
        found.tab.mouse.move(place[0] + 40, place[1])
        found.tab.mouse.move(*place)
        found.tab.wait_for_timeout(50)
        return bool(found.tab.locator("#front .hoverlayer .hovertext").count())

    wait_until(hovers)
    hover = found.text("#front .hoverlayer")
    assert str(point.subnet) in hover
    found.tab.mouse.click(*place)
    found.tab.wait_for_function(f"() => document.getElementById('said').textContent.includes('{point.id}')")
    assert found.selected() == point.id
    assert found.text("#said").startswith(f"Selected {point.id}: rank ")
    assert f"F_AEB{point.fitness!r}" in found.text("#selected")
    unit = energy_unit([each.energy_j for each in results.taken])
    assert found.ring() == (point.energy_j / unit.joules, point.top1)

    other = results.taken[3]
    found.tab.select_option("#page-size", "100")
    found.tab.click(f"#table tbody tr:has(td:text-is('{other.id}'))")
    assert found.ring() == (other.energy_j / unit.joules, other.top1)


def test_the_keyboard_sorts_moves_and_selects(opened: Callable[..., OpenPage], run: Path, page: Path) -> None:
    found, results = opened(page), read_results(run)
    keyboard = found.tab.keyboard
    found.tab.focus('[data-sort="energy"]')
    keyboard.press("Enter")
    assert found.tab.get_attribute("#table th:has([data-sort='energy'])", "aria-sort") == "ascending"
    assert found.tab.get_attribute("#table th:has([data-sort='rank'])", "aria-sort") == "none"
    by_energy = sorted(results.taken, key=lambda each: each.energy_j)
    assert found.column("Id")[:25] == [each.id for each in by_energy[:25]]
    keyboard.press("Space")  # the focus is still on the head
    assert found.tab.get_attribute("#table th:has([data-sort='energy'])", "aria-sort") == "descending"
    by_energy.sort(key=lambda each: -each.energy_j)
    assert found.column("Id")[:25] == [each.id for each in by_energy[:25]]

    found.tab.focus("#table tbody tr[tabindex='0']")
    keyboard.press("Home")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert found.selected() == by_energy[2].id
    assert by_energy[2].id in found.text("#said")
    keyboard.press("PageDown")
    assert found.text("#pages span").startswith("26 to 50 of ")
    keyboard.press("ArrowUp")
    assert found.text("#pages span").startswith("1 to 25 of ")
    keyboard.press("Space")
    assert found.selected() == by_energy[24].id


def test_rejected_candidates_are_shown_apart(found: OpenPage, run: Path) -> None:
    results = read_results(run)
    rejected = results.scores.rejected
    assert {each.reason for each in rejected} >= {"breaks search.limits.energy", "breaks search.limits.top1"}
    found.tab.select_option("#shown", "rejected")
    assert found.text("#pages span").endswith(f" of {len(rejected)} rejected candidates")
    assert "F_AEB" not in found.tab.locator("#table thead").inner_text()
    found.tab.click("#table tbody tr:nth-child(1)")
    first = rejected[0]
    assert first.candidate.id in found.text("#said")
    assert f"rejected: {first.reason}" in found.text("#selected")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_screen_readers_find_no_fault(opened: Callable[..., OpenPage], page: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = opened(page, width, color_scheme=scheme)
    found.tab.click("details summary")
    violations = Axe().run(found.tab).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


def test_light_and_dark_follow_the_system_and_the_switch(opened: Callable[..., OpenPage], page: Path) -> None:
    found = opened(page, color_scheme="dark")

    def lightness() -> float:
        script = "() => getComputedStyle(document.documentElement).backgroundColor"
        return sum(map(float, re.findall(r"[\d.]+", found.tab.evaluate(script))[:3])) / 765

    def ink() -> str:
        return str(found.tab.evaluate("() => document.getElementById('front').layout.font.color"))

    assert lightness() < 0.2
    dark = ink()
    found.tab.select_option("#theme", "light")
    assert lightness() == 1.0
    assert ink() != dark
    found.tab.select_option("#theme", "dark")
    assert lightness() < 0.2
    found.tab.select_option("#theme", "")
    found.tab.emulate_media(color_scheme="light")
    assert lightness() == 1.0


def test_what_is_printed_has_no_tools(opened: Callable[..., OpenPage], page: Path) -> None:
    found = opened(page, color_scheme="dark")
    found.tab.emulate_media(media="print")
    found.tab.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert not found.tab.is_visible("#tools")
    assert found.tab.is_visible("#layers-table")
    assert found.tab.evaluate("() => document.documentElement.dataset.theme") == "light"
    assert len(found.tab.pdf()) > 10_000
    found.tab.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert found.tab.evaluate("() => document.documentElement.dataset.theme") == ""


def test_names_stay_names(found: OpenPage, run: Path) -> None:
    """The run's folder, an objective's label and a value of the recipe would each make an element, and run a script."""
    found.tab.hover("#front .points path >> nth=0", force=True)
    assert found.tab.locator("img").count() == 0
    assert found.tab.title() == f"{run}, search invented"
    assert found.text("h1") == f"{run}, search invented"
    assert f"{BREAKS_OUT} (ms)" in found.text("#table thead")
    assert tomli.loads(found.text("#recipe"))["data"]["root"] == BREAKS_OUT


def test_the_recipe_is_copied(found: OpenPage, run: Path) -> None:
    found.tab.click("#copy-recipe")
    found.tab.wait_for_function("() => document.getElementById('said').textContent === 'The recipe is copied.'")
    assert found.tab.evaluate("() => navigator.clipboard.readText()") == read_results(run).recipe.to_toml()


def test_the_list_is_saved_with_all_its_digits(found: OpenPage) -> None:
    rows = found.table("front")
    assert len(rows) > 2
    assert found.saved() == rows


def test_candidates_that_are_equal_are_named(found: OpenPage, run: Path) -> None:
    alike = next(each for each in read_results(run).different if len(each.ids) > 1)
    found.tab.fill("#find", alike.ids[0])
    found.tab.click("#table tbody tr:nth-child(1)")
    assert f"Equal to{', '.join(alike.ids[1:])}" in found.text("#selected")


@pytest.mark.parametrize("num", [0, 1])
def test_a_search_of_hardly_a_candidate_has_its_page(
    opened: Callable[..., OpenPage], invented_run: InventedRun, own_folder: Path, num: int
) -> None:
    path = invented_run(Path("run"), num, "quickstart", {}).path
    write_page(read_results(path), Path("page.html"))
    found = opened(Path("page.html"))
    found.choose("convention", "strict")
    found.set_alpha(0.1)
    assert found.messages == []
    assert found.text("#pages span") == ("1 to 1 of 1 ranked candidates" if num else "no ranked candidates")
    assert found.text("#trouble") == ""


def test_a_page_whose_prices_are_not_known_has_those_that_are(
    opened: Callable[..., OpenPage], invented_run: InventedRun, own_folder: Path
) -> None:
    path = invented_run(Path("run"), 30, "quickstart", {}, changes={'profile = "cmos45"': 'profile = "cmos2"'}).path
    results = read_results(path)
    write_page(results, Path("page.html"))
    found = opened(Path("page.html"))
    assert [row["Id"] for row in found.table()] == [scored.id for scored in results.scores.ranked]
    assert "F_AEB" not in found.text("#table thead")
    assert "the profile cmos2 is not known" in found.text("#remarks")
    assert not found.tab.is_visible("#front")
    found.choose("profile", "loihi")
    agrees(found, read_results(path, {"energy.profile": "loihi"}))
    assert found.tab.is_visible("#front")
    assert found.messages == []


NUMBERS = [
    0.1,
    1 / 3,
    1e-5,
    9.999e-5,
    1e-4,
    123456789.125,
    1e16,
    1.5e300,
    5e-324,
    -0.25,
    2.5,
    0.5,
    81.125,
    81.135,
    1e22,
]


def test_numbers_are_written_as_python_writes_them(found: OpenPage) -> None:
    """The page's own functions, taken out of its file."""
    script = (Path(write_page.__code__.co_filename).parent / "parts" / "numbers.js").read_text(encoding="utf-8")
    shown = found.tab.evaluate(
        f"numbers => {{ {script}; return numbers.map(x => [repr(x), fixed(x % 1000, 2), general(x)]) }}", NUMBERS
    )
    assert shown == [[repr(x), f"{x % 1000 if x > 0 else -(-x % 1000):.2f}", f"{x:.4g}"] for x in NUMBERS]
