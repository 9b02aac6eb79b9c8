"""aspk report --figure and --figures: what is drawn is what is stored, and a file is the same every time."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from autospikformer_cli.analysis.redundancy import most_and_least
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.catalogue import FIGURES
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.similarity import load_similarity
from autospikformer_cli.store.supernet import Origin, load_checkpoint, read_log, read_training, save_checkpoint
from autospikformer_cli.store.training_log import TrainingLog
from autospikformer_cli.training.schedule import learning_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Aspk = Callable[..., Any]
FIRST, RANDOM = "evolution-alpha0.5-seed0", "random-alpha0.5-seed0"
NAMES = ("front", "sizes", "hypervolume", "fitness", "genes", "training", "similarity", "rates")
OLD_RUN = Path(__file__).parents[1] / "fixtures" / "run_of_0_1"


def drawn(run: Path, name: str, **wishes: Any) -> Figure:
    """A figure as it is drawn, before it is saved."""
    with style.styled():
        return FIGURES[name].draw(FigureSubject(run, **wishes))


def only_axes(figure: Figure) -> Axes:
    """The first axes: that of the data."""
    return figure.axes[0]


def cloud(axes: Axes, label: str) -> list[tuple[float, float]]:
    """The points that were scattered under a label."""
    found = next(each for each in axes.collections if str(each.get_label()).startswith(label))
    return [(float(x), float(y)) for x, y in np.asarray(found.get_offsets())]


def line(axes: Axes, label: str) -> list[tuple[float, float]]:
    """The points of the line of a label."""
    found = next(each for each in axes.lines if str(each.get_label()).startswith(label))
    return [(float(x), float(y)) for x, y in found.get_xydata()]  # type: ignore[union-attr]


def grid(axes: Axes) -> Any:
    """The numbers of a heat map."""
    return np.asarray(axes.collections[0].get_array())


def texts(path: Path) -> list[tuple[str, float]]:
    """What an SVG shows as text, and its size in points."""
    root = ET.fromstring(path.read_bytes())
    found = []
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        size = re.search(r"font(?:-size)?: ?([0-9.]+)px", element.get("style", ""))
        assert size is not None, element.get("style")
        found.append(("".join(element.itertext()), float(size[1])))
    return found


def points_of(candidates: Iterable[Any]) -> list[tuple[float, float]]:
    """Energies in µJ and accuracies of candidates of a document."""
    return [(each["energy_j"] * 1e6, each["top1"]) for each in candidates]


def same(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> bool:
    return np.allclose(sorted(first), sorted(second), rtol=1e-12) and len(first) == len(second)


@pytest.fixture
def twice_searched(aspk: Aspk, searched: Path) -> Path:
    """With the random search that a paper compares with."""
    assert aspk("search", "--algorithm", "random").exit_code == 0
    return searched


def test_every_figure_of_the_paper_has_its_name() -> None:
    assert tuple(FIGURES) == NAMES


def test_front_shows_every_candidate_the_front_the_accurate_and_the_baseline(aspk: Aspk, searched: Path) -> None:
    document = aspk("report", "--json").document
    axes = only_axes(drawn(searched, "front"))
    assert axes.get_xlabel() == "Energy of one image (µJ)"
    assert axes.get_ylabel() == "Top-1 accuracy (%)"
    assert axes.get_title() == ""
    candidates = document["candidates"]
    assert same(cloud(axes, "18 candidates"), points_of(candidates))
    by_id = {each["id"]: each for each in candidates}
    assert same(line(axes, "Pareto front"), points_of(by_id[id_] for id_ in document["pareto"]))
    accurate = cloud(axes, "Most accurate 20 %")
    share = round(0.2 * document["num_different"])
    results = {(round(energy, 9), top1) for energy, top1 in points_of(candidates)}
    least = sorted((top1 for _, top1 in results), reverse=True)[share - 1]
    assert {(round(energy, 9), top1) for energy, top1 in accurate} == {
        point for point in results if point[1] >= least
    }, "all that tie with the last one, too"
    assert any(str(each.get_label()).endswith("and ties") for each in axes.collections) == (len(accurate) > share)
    assert same(line(axes, "Baseline"), points_of([document["baseline"]]))


def test_a_front_has_steps_and_promises_nothing_between_its_points(twice_searched: Path) -> None:
    """A straight line would pass through accuracies that no candidate has for so little energy."""
    for name, wishes in (("front", {}), ("front", {"against": FIRST}), ("sizes", {})):
        fronts = [
            each for each in only_axes(drawn(twice_searched, name, **wishes)).lines if "front" in str(each.get_label())
        ]
        assert fronts or name == "sizes", "there, a front of one point is not drawn"
        assert {each.get_drawstyle() for each in fronts} <= {"steps-post"}, name
        for each in fronts:
            energies, _ = zip(*each.get_xydata(), strict=True)  # type: ignore[arg-type]
            assert list(energies) == sorted(energies), "steps go from less energy to more"


def test_intervals_are_drawn_on_demand_and_best_n_leaves_the_others_out(aspk: Aspk, searched: Path) -> None:
    document = aspk("report", "--json").document
    by_id = {each["id"]: each for each in document["candidates"]}
    assert not only_axes(drawn(searched, "front")).containers
    axes = only_axes(drawn(searched, "front", intervals=True))
    ends = [segment for each in axes.containers for segment in each[2][0].get_segments()]  # type: ignore[union-attr]
    shown = [by_id[id_] for id_ in document["pareto"]] + [document["baseline"]]
    assert np.allclose([(low[1], high[1]) for low, high in ends], [each["top1_interval"] for each in shown])
    axes = only_axes(drawn(searched, "front", best=5))
    assert same(cloud(axes, "Best 5 candidates"), points_of(document["candidates"][:5]))


def test_two_searches_are_drawn_on_common_axes(aspk: Aspk, twice_searched: Path) -> None:
    axes = only_axes(drawn(twice_searched, "front", search=FIRST, against=RANDOM))
    for name in (FIRST, RANDOM):
        found = aspk("report", "--search", name, "--json").document
        assert same(cloud(axes, name), points_of(found["candidates"]))
    fronts = [each for each in axes.lines if str(each.get_label()).startswith("front of ")]
    assert [str(each.get_label()).rpartition(":")[0] for each in fronts] == [f"front of {FIRST}", f"front of {RANDOM}"]
    sizes = only_axes(drawn(twice_searched, "sizes", search=FIRST, against=RANDOM)).lines
    assert {str(each.get_label()) for each in sizes} <= {f"front of {FIRST}", f"front of {RANDOM}"}
    lines = [each for each in fronts if len(each.get_xydata()) > 1]  # type: ignore[arg-type]
    assert len({each.get_linestyle() for each in lines}) == len(lines), "a point has no line"
    assert len({each.get_marker() for each in fronts}) == 2


def test_a_search_of_other_prices_is_priced_as_the_one_it_is_drawn_against(aspk: Aspk, searched: Path) -> None:
    done = aspk("search", "--algorithm", "random", "--set", 'energy.convention="strict"', "--name", "strict")
    assert done.exit_code == 0, done.stderr
    axes = only_axes(drawn(searched, "front", search=FIRST, against="strict"))
    found = aspk("report", "--search", "strict", "--convention", "sound", "--json").document
    assert same(cloud(axes, "strict"), points_of(found["candidates"]))


def test_searches_on_other_images_are_left_out_or_drawn_with_a_remark(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--set", "search.images=40", "--name", "fewer").exit_code == 0
    done = aspk("report", "--figure", "hypervolume", "--to", "a.svg", "--quiet")
    assert done.exit_code == 0
    assert FIRST not in [text for text, _ in texts(Path("a.svg"))]
    assert aspk("report", "--figure", "hypervolume", "--to", "a.svg").stderr.strip() == (
        f"left out, measured otherwise than fewer: {FIRST}"
    )
    done = aspk("report", "--figure", "front", "--to", "a.svg", "--against", FIRST)
    assert done.exit_code == 0
    assert f"{FIRST} was measured with other images" in done.stderr


def test_circles_are_in_proportion_to_parameters(aspk: Aspk, searched: Path) -> None:
    document = aspk("report", "--json").document
    axes = only_axes(drawn(searched, "sizes"))
    assert same(cloud(axes, FIRST), points_of(document["candidates"]))
    circles = next(each for each in axes.collections if each.get_label() == FIRST)
    areas = np.asarray(circles.get_sizes())  # type: ignore[attr-defined]
    params = sorted((each["params"] for each in document["candidates"]), reverse=True)
    most = max(*params, document["baseline"]["params"])
    assert np.allclose(areas / areas.max(), np.array(params) / params[0])
    family = next(each for each in axes.collections if each.get_label() == "Hand-made Spikformer")
    assert same(cloud(axes, "Hand-made Spikformer"), points_of([document["baseline"]]))
    assert np.asarray(family.get_sizes())[0] / areas.max() == pytest.approx(  # type: ignore[attr-defined]
        document["baseline"]["params"] / params[0]
    )
    assert [text.get_text() for text in axes.texts] == ["Baseline, 2-24"]
    labels = [str(each.get_label()) for each in axes.collections]
    assert f"{most / 1000:.2f} k parameters" in labels


def test_hypervolume_and_fitness_end_where_the_report_ends(aspk: Aspk, searched: Path) -> None:
    document = aspk("report", "--json").document
    axes = only_axes(drawn(searched, "hypervolume"))
    assert axes.get_xlabel() == "Evaluations (subnets)"
    course = line(axes, FIRST)
    assert [number for number, _ in course] == list(range(1, 19))
    by_generation = [course[end - 1][1] for end in (6, 12, 18)]
    assert by_generation == pytest.approx(document["hypervolume"]["by_generation"])
    fitness = line(only_axes(drawn(searched, "fitness")), FIRST)
    assert fitness[-1] == (18, pytest.approx(document["candidates"][0]["fitness"]))
    assert all(before[1] <= after[1] for before, after in pairwise(fitness))
    three = line(only_axes(drawn(searched, "fitness", best=3)), FIRST)
    assert three[0][0] == 3
    assert three[-1][1] == pytest.approx(np.mean([each["fitness"] for each in document["candidates"][:3]]))
    weighted = only_axes(drawn(searched, "fitness", overrides=["search.alpha=0.9"]))
    assert weighted.get_ylabel() == "F_AEB of the best\n(alpha 0.9)"


def test_searches_that_differ_in_their_seed_are_one_band(aspk: Aspk, twice_searched: Path) -> None:
    for seed in (1, 2):
        assert aspk("search", "--algorithm", "evolution", "--set", f"seed={seed}").exit_code == 0
    axes = only_axes(drawn(twice_searched, "hypervolume"))
    labels = [str(each.get_label()) for each in axes.lines]
    assert labels == ["evolution-alpha0.5, median and range of 3 seeds", RANDOM]
    alone = [
        line(only_axes(drawn(twice_searched, "hypervolume", search=f"evolution-alpha0.5-seed{seed}")), "evolution")
        for seed in (0, 1, 2)
    ]
    assert line(axes, "evolution") == [
        (number, float(np.median([value for _, value in row])))
        for number, row in enumerate(zip(*alone, strict=True), 1)
    ]
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    values = [value for each in alone for _, value in each]
    assert np.asarray(corners)[:, 1].min() == pytest.approx(min(values))
    assert np.asarray(corners)[:, 1].max() == pytest.approx(max(values))


def test_genes_are_counted_among_the_best_so_far(aspk: Aspk, searched: Path) -> None:
    document = aspk("report", "--json").document
    figure = drawn(searched, "genes", best=4)
    panels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert list(panels)[:2] == ["Depth (blocks)", "MLP ratio"]
    for label, place in (("Dimension", -1), ("Time steps T", -2), ("Depth (blocks)", 0)):
        ticks = [float(tick.get_text()) for tick in panels[label].get_yticklabels()]
        for generation in range(3):
            best = [each["subnet"] for each in document["candidates"] if each["generation"] <= generation][:4]
            expected = [100 * sum(subnet[place] == value for subnet in best) / len(best) for value in ticks]
            assert grid(panels[label])[:, generation] == pytest.approx(expected)
    bar = figure.axes[-1]
    assert bar.get_xlabel() == "Share of the best 4 so far (%)"
    default = drawn(searched, "genes").axes[-1]
    assert default.get_xlabel() == "Share of the best 3 so far (%)", "the search's number of parents"


def test_training_has_the_stored_history_and_the_recipe_s_rate(trained: Path) -> None:
    stored = read_training(trained)
    loss, rate, accuracy = drawn(trained, "training").axes
    history = stored.state.history
    assert [(x, y) for x, y in loss.lines[0].get_xydata()] == [(each.epoch, each.loss) for each in history]  # type: ignore[union-attr]
    log = read_log(trained)
    assert loss.lines[1].get_xdata() == pytest.approx(log.step / history[0].steps)
    assert loss.lines[1].get_ydata() == pytest.approx(log.loss)
    assert line(accuracy, "Largest") == [(each.epoch, each.val_top1_largest) for each in history]
    assert line(accuracy, "Smallest") == [(each.epoch, each.val_top1_smallest) for each in history]
    recipe = recipe_from_toml(stored.recipe_toml, "tiny")
    rates = rate.lines[0].get_xydata()
    assert len(rates) == sum(each.steps for each in history)
    assert all(y == learning_rate(recipe.train, x) for x, y in rates)  # type: ignore[union-attr]
    assert [axes.get_ylabel() for axes in (loss, rate, accuracy)] == [
        "Training loss", "Learning rate", "Top-1 accuracy (%)",
    ]  # fmt: skip
    assert accuracy.get_xlabel() == "Epoch"


def test_a_training_without_validation_or_epochs(trained: Path) -> None:
    stored = load_checkpoint(trained)
    unseen = [replace(each, val_top1_largest=None, val_top1_smallest=None) for each in stored.state.history]
    save_checkpoint(trained, replace(stored, state=replace(stored.state, history=tuple(unseen)), log=TrainingLog.of()))
    assert len(drawn(trained, "training").axes[0].lines) == 1, "an older store has no steps"
    assert [axes.get_ylabel() for axes in drawn(trained, "training").axes] == ["Training loss", "Learning rate"]
    save_checkpoint(trained, replace(stored, state=replace(stored.state, history=())))
    with pytest.raises(UserError, match="no epoch is finished yet"):
        drawn(trained, "training")
    imported = replace(stored, state=replace(stored.state, history=()), origin=Origin("x.pth", "0", ()))
    save_checkpoint(trained, imported)
    with pytest.raises(UserError, match="its weights were imported"):
        drawn(trained, "training")


def test_similarity_is_what_analyze_channels_stored(aspk: Aspk, trained: Path) -> None:
    refused = aspk("report", "--figure", "similarity", "--to", "s.svg")
    assert refused.exit_code == 2
    assert "measure it: aspk analyze channels --run runs/tiny" in refused.stderr
    document = aspk("analyze", "channels", "--images", "4", "--json").document
    matrix = load_similarity(trained).matrix
    others = (matrix.sum(axis=1) - 1) / (len(matrix) - 1)
    assert others == pytest.approx(document["ssim_by_channel"])
    axes = only_axes(drawn(trained, "similarity"))
    most, least = most_and_least(matrix, len(matrix) // 2)
    channels = sorted({*most.tolist(), *least.tolist()})
    assert channels == list(range(24))
    assert grid(axes) == pytest.approx(matrix[np.ix_(channels, channels)])
    strip = [patch for patch in axes.patches if patch.get_y() < 0]  # type: ignore[attr-defined]
    dark = [place for place, patch in enumerate(strip) if patch.get_facecolor()[:3] == (0.0, 0.0, 0.0)]
    assert dark == sorted(most.tolist())


def test_a_run_that_may_not_be_written_is_analyzed_all_the_same(aspk: Aspk, trained: Path) -> None:
    (trained / "similarity.h5").mkdir()
    done = aspk("analyze", "channels", "--images", "4")
    assert done.exit_code == 0
    assert "the similarity of channels is not stored" in done.stderr


def test_rates_are_those_of_the_energy_table(aspk: Aspk, searched: Path) -> None:
    for subnet in ("best", "baseline", "c0003"):
        expected = aspk("energy", "--subnet", subnet, "--json", "--quiet").document["step_rates"]
        axes = only_axes(drawn(searched, "rates", subnet=subnet))
        names = [tick.get_text() for tick in axes.get_yticklabels()]
        assert names == list(expected)
        assert grid(axes) == pytest.approx(np.array(list(expected.values())))
    numbers = [text.get_text() for text in axes.texts]
    assert len(numbers) == grid(axes).size


@pytest.mark.parametrize("width", ["single", "double"])
def test_all_figures_are_written_and_what_is_missing_is_said(aspk: Aspk, searched: Path, width: str) -> None:
    done = aspk("report", "--figures", "new/pictures", "--width", width, "--json")
    assert done.exit_code == 0, done.stderr
    assert [each["figure"] for each in done.document["figures"]] == [name for name in NAMES if name != "similarity"]
    assert {each["width_mm"] for each in done.document["figures"]} == {85.0 if width == "single" else 174.0}
    (missing,) = done.document["missing"]
    assert (missing["figure"], missing["error"]) == ("similarity", "no similarity of channels is stored")
    files = sorted(path.name for path in Path("new/pictures").iterdir())
    assert files == sorted(f"{name}{suffix}" for name in NAMES if name != "similarity" for suffix in (".pdf", ".png"))
    for name in ("front", "genes"):  # of --figures, the PDF is written first, for which the figure is laid out
        assert aspk("report", "--figure", name, "--to", f"{name}.png", "--width", width).exit_code == 0
        assert Path(f"{name}.png").read_bytes() == Path(f"new/pictures/{name}.png").read_bytes()
    shown = aspk("report", "--figures", "new/pictures").stdout
    assert "front: new/pictures/front.pdf, new/pictures/front.png, 85 x 72 mm" in shown
    assert "no similarity of channels is stored; measure it: aspk analyze channels" in shown


def test_a_run_without_a_search_gives_its_training(aspk: Aspk, trained: Path) -> None:
    done = aspk("report", "--figures", "pictures", "--json")
    assert [each["figure"] for each in done.document["figures"]] == ["training"]
    assert done.document["missing"][0]["error"] == "runs/tiny has no search"
    refused = aspk("report", "--figure", "front", "--to", "front.svg")
    assert (refused.exit_code, "runs/tiny has no search" in refused.stderr) == (2, True)


def size_mm(path: Path) -> tuple[float, ...]:
    """Width and height that a file says it has."""
    content = path.read_bytes()
    if path.suffix == ".png":
        density = struct.unpack(">I", content[content.index(b"pHYs") + 4 :][:4])[0]  # pixels a metre
        return tuple(1000 * side / density for side in struct.unpack(">II", content[16:24]))
    of_points = (
        rb"MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+)"
        if path.suffix == ".pdf"
        else rb'width="([0-9.]+)pt" height="([0-9.]+)pt"'
    )
    found = re.search(of_points, content)
    assert found is not None
    return tuple(25.4 / 72 * float(side) for side in found.groups())


def has_its_letters(path: Path) -> bool:
    """Whether a PDF embeds every font that it names, as TrueType (Type 42)."""
    content = path.read_bytes()
    fonts, embedded = content.count(b"/Subtype /CIDFontType2"), content.count(b"/FontFile2")
    return fonts == embedded > 0 and b"/Subtype /Type1" not in content


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_figure_has_the_same_bytes_every_time(aspk: Aspk, searched: Path, suffix: str) -> None:
    import matplotlib as mpl

    assert aspk("analyze", "channels", "--images", "4").exit_code == 0
    for name in NAMES:
        first, second = Path(f"first-{name}{suffix}"), Path(f"second-{name}{suffix}")
        done = aspk("report", "--figure", name, "--to", first, "--json")
        assert done.exit_code == 0, done.stderr
        (written,) = done.document["figures"]
        assert size_mm(first) == pytest.approx((written["width_mm"], written["height_mm"]), abs=0.1), name
        if suffix == ".pdf":
            assert has_its_letters(first), name
        with mpl.rc_context({"axes.facecolor": "black", "svg.fonttype": "path", "font.size": 20}):
            assert aspk("report", "--figure", name, "--to", second).exit_code == 0
        assert first.read_bytes() == second.read_bytes(), name


def laid_out(run: Path, name: str, **wishes: Any) -> tuple[float, float, float, float]:
    """How far what is drawn stays from the left, lower, right and upper edge of a figure, in mm."""
    figure = drawn(run, name, **wishes)
    with style.styled():
        figure.savefig(Path("laid-out.png"))
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    left, low, right, high = (25.4 * float(side) for side in (box.x0, box.y0, width - box.x1, height - box.y1))
    return left, low, right, high


@pytest.mark.parametrize("width", ["single", "double"])
def test_all_text_has_7_to_9_points_and_stays_inside(aspk: Aspk, twice_searched: Path, width: str) -> None:
    assert aspk("analyze", "channels", "--images", "4").exit_code == 0
    for name in NAMES:
        assert aspk("report", "--figure", name, "--to", f"{name}.svg", "--width", width).exit_code == 0
        found = texts(Path(f"{name}.svg"))
        assert found, name
        assert {size for _, size in found} <= {7.0, 8.0, 9.0}, name
        edges = laid_out(twice_searched, name, width=width)
        assert min(edges) > -0.2, name
        assert max(edges) < 4.0, name


@pytest.mark.parametrize("width", ["single", "double"])
def test_the_longest_names_of_searches_stay_inside(aspk: Aspk, searched: Path, width: str) -> None:
    name = "evolution-" + "with-all-kinds-of-keys-" * 4
    population = load_population(searched)
    for letters, number in ((100, 1), (99, 2)):
        longer = f"{name[: letters - 1]}{number}"
        save_population(searched, replace(population, name=longer))
    for figure in ("front", "sizes", "hypervolume"):
        edges = laid_out(searched, figure, width=width, search=f"{name[:99]}1", against=f"{name[:98]}2")
        assert min(edges) > -0.2, figure


def test_no_legend_lies_over_data(searched: Path) -> None:
    for name in ("front", "sizes", "hypervolume", "fitness", "training"):
        figure = drawn(searched, name)
        with style.styled():
            figure.savefig(Path("laid-out.png"))
        (legend,) = figure.legends
        below = legend.get_window_extent().y0
        assert all(axes.get_window_extent().y1 <= below for axes in figure.axes), name
        assert not any(axes.get_legend() for axes in figure.axes)


WRONG: list[tuple[tuple[str, ...], str, str]] = [
    (("--figure", "frnt", "--to", "a.png"), "--figure: 'frnt' is no figure", "did you mean front?"),
    (("--figure", "front"), "--figure: a figure needs a file", "add --to front.pdf, .svg or .png"),
    (("--to", "a.png"), "--to: nothing is asked for that has a file", "add --figure NAME, --table NAME or --methods"),
    (("--figure", "front", "--to", "a.gif"), "a.gif: a picture is written as .png, .svg or .pdf", "write a.png, a.svg"),
    (("--figure", "front", "--to", "no/a.png"), "no/a.png: there is no folder no", "mkdir -p no"),
    (("--figure", "training", "--to", "a.png", "--intervals"), "nothing to the figure training", "it acts on front"),
    (("--figure", "training", "--to", "a.png", "--alpha", "0.3"), "--alpha, --profile", "leave it out"),
    (("--figure", "front", "--to", "a.png", "--subnet", "best"), "--subnet: it does nothing", "it acts on rates"),
    (("--figure", "front", "--to", "a.png", "--against", "x"), "--against: runs/tiny has no search x", "choose"),
    (("--figure", "front", "--to", "a.png", "--against", FIRST), "is the search that it would be", "another"),
    (("--figure", "front", "--to", "a.png", "--width", "triple"), "--width: 'triple' is no width", "single or double"),
    (("--figure", "front", "--to", "a.png", "--top", "3"), "--top: it acts on tables", "leave out --top or --figure"),
    (("--figure", "front", "--figures", "d"), "--figure is one figure", "leave one of them out"),
    (("--figures", "d", "--to", "a.png"), "--figures names its files itself", "leave it out"),
    (("--figure", "front", "--to", "a.png", "--run", "nope"), "there is no run nope", "aspk runs"),
    (("--figure", "rates", "--to", "a.png", "--subnet", "c9999"), "'c9999' is no candidate", "choose best"),
    (("--figure", "rates", "--to", "a.png", "--subnet", "smallest"), "no search has measured smallest", "--heatmap"),
    (("--figure", "fitness", "--to", "a.png", "--best", "99"), "has too few candidates", "write a smaller N"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "what", "fix"), WRONG, ids=[" ".join(words) for words, _, _ in WRONG])
def test_mistakes_are_said_once(aspk: Aspk, searched: Path, words: tuple[str, ...], what: str, fix: str) -> None:
    before = sorted(Path().iterdir())
    done = aspk("report", *words)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    assert what in done.stderr
    assert fix in done.stderr
    assert sorted(Path().iterdir()) == before


def test_a_folder_that_cannot_be_made_is_said(aspk: Aspk, searched: Path) -> None:
    Path("taken").write_text("a file")
    done = aspk("report", "--figures", "taken")
    assert done.exit_code == 2
    assert "taken: cannot be written" in done.stderr


@pytest.mark.parametrize("number", [0, 1])
def test_an_empty_archive_and_one_candidate(aspk: Aspk, searched: Path, number: int) -> None:
    population = load_population(searched)
    state = population.state if number else {**population.state, "generation": 0, "finished": False}
    save_population(searched, replace(population, candidates=population.candidates[:number], state=state))
    done = aspk("report", "--figures", "pictures", "--json")
    assert done.exit_code == 0, done.stderr
    missing = {each["figure"] for each in done.document["missing"]}
    assert missing == ({"similarity"} if number else set(NAMES) - {"front", "sizes", "training"})
    axes = only_axes(drawn(searched, "front"))
    assert len(axes.collections) == (2 if number else 0)
    assert axes.get_ylim()[1] < 101
    save_population(searched, replace(population, candidates=(), baseline=None, state={**state, "generation": 0}))
    refused = aspk("report", "--figure", "front", "--to", "a.png")
    assert refused.exit_code == 2
    assert "has no candidate to draw" in refused.stderr


def test_a_run_of_an_older_aspk_has_figures(aspk: Aspk) -> None:
    shutil.copytree(OLD_RUN, Path("runs") / "small")
    done = aspk("report", "--figures", "pictures", "--json")
    assert done.exit_code == 0, done.stderr
    assert {"front", "sizes", "genes", "training", "rates"} <= {each["figure"] for each in done.document["figures"]}
