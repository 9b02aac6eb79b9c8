"""A stored run whose plugins are gone, or broken at import: real distributions on sys.path."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autospikformer_cli.cli.__main__ import main
from autospikformer_cli.cli.documents import DOCUMENTS
from autospikformer_cli.evaluation.executors import EXECUTORS
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.search_section import ALGORITHMS, OBJECTIVES
from autospikformer_cli.recipe.sections import NEURONS
from autospikformer_cli.registry import Registry
from autospikformer_cli.runs.searching import recording
from autospikformer_cli.store.pace import SavingPace
from autospikformer_cli.store.population import Population, load_population, save_population
from autospikformer_cli.store.searches import search_file

NEURON = """\
import torch
from autospikformer_cli.spiking.neuron_kinds import NeuronKind


class Integrator(NeuronKind):
    '''Fires where the sum of all currents so far exceeds the threshold; it learns a scale.'''

    def __init__(self, dynamics):
        super().__init__(dynamics)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, current_TMC, time_step, neuron):
        excess = (current_TMC.expand(time_step, -1, -1) * self.scale).cumsum(0) - neuron.threshold
        return (excess > 0).to(excess.dtype) + (excess - excess.detach())
"""
OBJECTIVE = """\
from autospikformer_cli.search.objectives import Objective

LATENCY = Objective("latency", "latency", "steps", "less", lambda candidate, price: float(candidate.subnet.time_step))
"""
ALGORITHM = """\
from autospikformer_cli.search.evolution import Evolution


class Hill(Evolution):
    name = "hill"
"""
EXECUTOR = """\
from autospikformer_cli.evaluation.executors import InProcess


class Near(InProcess):
    pass
"""
COMMAND = "def greet() -> None:\n    print('hello')\n"
PLUGINS = {
    "neurons": ("integrator", NEURON, "Integrator"),
    "objectives": ("latency", OBJECTIVE, "LATENCY"),
    "algorithms": ("hill", ALGORITHM, "Hill"),
    "executors": ("near", EXECUTOR, "Near"),
    "commands": ("greet", COMMAND, "greet"),
}
REGISTRIES: tuple[Registry, ...] = (NEURONS, ALGORITHMS, OBJECTIVES, EXECUTORS)
SMALL = ("search.population=4", "search.parents=2", "search.generations=1", "search.images=20")
TINY = ("train.epochs=1", "train.warmup_epochs=0", "train.validation_images=20")


class Site:
    """A folder of plugins, one of each group, and aspk in this process, as if it started anew with them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def install(self, kind: str, source: str | None = None) -> None:
        """source: of a broken one."""
        name, whole, attribute = PLUGINS[kind]
        info = self.folder / f"aspk_{name}-1.5.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (self.folder / f"aspk_{name}.py").write_text(whole if source is None else source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: aspk-{name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[aspk.{kind}]\n{name} = aspk_{name}:{attribute}\n")

    def lose(self, kind: str, how: str) -> str:
        """Uninstall a plugin, or break it. Returns what messages must say of it."""
        name = PLUGINS[kind][0]
        if how == "gone":
            shutil.rmtree(self.folder / f"aspk_{name}-1.5.dist-info")
            (self.folder / f"aspk_{name}.py").unlink()
            return f"{name} is not known here: it needs aspk-{name} 1.5"
        self.install(kind, "raise RuntimeError('out of order')\n")
        return f"{name} of aspk-{name} does not load: RuntimeError: out of order"

    def forget(self) -> None:
        """What this process knows of plugins."""
        for registry in REGISTRIES:
            registry.__dict__.pop("providers", None)
            registry._resolved.clear()
        for name, _, _ in PLUGINS.values():
            sys.modules.pop(f"aspk_{name}", None)
        shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)

    def aspk(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error; white space of any kind is one space."""
        self.forget()
        code = main([*arguments])
        written = self.capsys.readouterr()
        return code, " ".join(written.out.split()), " ".join(written.err.split())

    def succeeds(self, *arguments: str) -> str:
        code, out, err = self.aspk(*arguments)
        assert code == 0, (arguments, out, err)
        return out

    def document(self, *arguments: str) -> Any:
        return json.loads(self.succeeds(*arguments, "--json"))

    def refuses(self, *arguments: str) -> str:
        """The error of a command that ends with exit code 2, and names no line of a store."""
        code, out, err = self.aspk(*arguments)
        assert code == 2, (arguments, out, err)
        assert "Traceback" not in err
        return err


def sets(*settings: str) -> list[str]:
    """Settings as options."""
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture
def site(own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """An empty one."""
    monkeypatch.syspath_prepend(str(own_folder / "site"))
    place = Site(own_folder / "site", capsys)
    place.folder.mkdir()
    yield place
    shutil.rmtree(place.folder)
    place.forget()


WORKS = (("runs",), ("evaluate", "--images", "20"), ("energy",), ("export", "--to", "a.safetensors"), ("analyze",))


def unfinished(run: Path) -> None:
    """The present search, as if it had been stopped at its very end."""
    population = load_population(run)
    save_population(run, replace(population, state={**population.state, "finished": False}))


def without_values(run: Path) -> None:
    """The present search, as an earlier aspk stored it: without values of objectives."""
    save_population(run, replace(load_population(run), objectives=()))


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_an_objective_of_a_stored_search(site: Site, trained: Path, how: str) -> None:
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, 'search.objectives=["top1","latency"]'))
    before = site.document("report")
    named = site.lose("objectives", how)

    after = site.document("report")
    assert before["provenance"].pop("stand_ins") == []
    (stand_in,) = after["provenance"].pop("stand_ins")
    assert stand_in.endswith(f"{named}; its stored values stand in")
    assert after == before
    assert after["hypervolume"]["objectives"] == ["top1", "latency"]
    assert all(each["objectives"] == {"latency": each["subnet"][-2]} for each in after["candidates"])
    for command in ("report", "report --alpha-sweep"):
        DOCUMENTS[command].model_validate_json(json.dumps(site.document(*command.split())))
    assert f"! {stand_in} Kendall" in site.succeeds("report")
    for words in WORKS:
        site.succeeds(*words)
    site.succeeds("search")
    unfinished(trained)
    assert named in site.refuses("search")
    site.succeeds("search", *sets(*SMALL, 'search.objectives=["top1","energy"]'))
    assert site.document("report")["hypervolume"]["objectives"] == ["top1", "energy"]


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_limit_of_a_stored_search(site: Site, trained: Path, how: str) -> None:
    """The same candidates keep it, so the best is the same for every command."""
    site.install("objectives")
    site.succeeds("search", *sets("search.generations=2", *SMALL[:-2], SMALL[-1], "search.limits.latency=2"))
    report, searches, energy = site.document("report"), site.document("runs", "show", "tiny"), site.document("energy")
    evaluated = site.document("evaluate", "--images", "20")
    assert {each["subnet"][-2] for each in report["candidates"]} == {2}
    assert {(each["reason"], each["objectives"]["latency"]) for each in report["rejected"]} == {
        ("breaks search.limits.latency", 3.0)
    }
    without = site.document("report", "--set", 'search.limits="none"')
    assert len(without["candidates"]) == len(report["candidates"]) + len(report["rejected"])
    named = site.lose("objectives", how)

    after = site.document("report")
    assert named in after["provenance"].pop("stand_ins")[0]
    assert report["provenance"].pop("stand_ins") == []
    assert after == report
    assert site.document("runs", "show", "tiny") == searches
    assert site.document("energy") == energy
    again = site.document("evaluate", "--images", "20")
    assert (again["origin"], again["subnet"]) == (evaluated["origin"], evaluated["subnet"])
    exported = site.document("export", "--to", "a.safetensors")
    assert exported["subnet"] == next(each["subnet"] for each in report["candidates"] if each["id"] == report["best"])
    loose = site.document("report", "--set", "search.limits.latency=3")
    assert (loose["rejected"], len(loose["candidates"])) == ([], len(without["candidates"]))
    site.succeeds("search")


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_search_that_an_earlier_aspk_stored_without_values(site: Site, trained: Path, how: str) -> None:
    """Nobody can say which candidates keep a limit, so there is no best; each candidate has its id."""
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, "search.limits.latency=3", 'search.objectives=["top1","latency"]'))
    before = site.document("report")
    without_values(trained)
    assert site.document("report") == before, "the plugin gives them"
    named = site.lose("objectives", how)

    after = site.document("report")
    assert after["provenance"]["stand_ins"] == []
    assert [each.split(": ")[0] for each in after["provenance"]["unknown"]] == [
        "search.objectives", "search.limits.latency"
    ]  # fmt: skip
    assert all(named in each for each in after["provenance"]["unknown"])
    assert (after["hypervolume"], after["best"], after["objectives"]) == (None, None, [])
    assert all(each["objectives"] == {} for each in after["candidates"])
    assert f"{named} (candidates that break it are ranked, too)" in site.succeeds("report")
    refused = site.refuses("evaluate", "--images", "20")
    assert "the best is not known here: " in refused
    assert named in refused
    assert "name a candidate by its id" in refused
    assert named in site.refuses("search")
    site.succeeds("evaluate", "--images", "20", "--subnet", "c0001")
    site.succeeds("search", *sets(*SMALL))
    site.succeeds("evaluate", "--images", "20")


def test_a_search_that_goes_on_has_the_values_of_all_its_candidates(
    site: Site, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those that an earlier aspk stored without any."""
    files: list[bytes] = []

    def save(run: Path, population: Population) -> None:
        save_population(run, population)
        files.append(search_file(run, population.name).read_bytes())

    monkeypatch.setattr(recording, "save_population", save)
    monkeypatch.setattr(SavingPace, "is_due", lambda self: True)
    site.install("objectives")
    site.succeeds("search", *sets(SMALL[0], SMALL[1], "search.generations=2", SMALL[3], "search.limits.latency=3"))
    whole, early = load_population(trained), files[0]
    for stored in (True, False):
        search_file(trained, whole.name).write_bytes(early)
        begun = load_population(trained)
        assert 0 < len(begun.candidates) < len(whole.candidates)
        assert all(each.plugin_values for each in begun.candidates)
        if not stored:
            without_values(trained)
        site.succeeds("search")
        found = load_population(trained)
        assert [each.id for each in found.candidates] == [each.id for each in whole.candidates]
        every = (*found.candidates, found.baseline)
        assert all(each and each.plugin_values == {"latency": each.subnet.time_step} for each in every)
    before = site.document("report")
    site.lose("objectives", "gone")
    assert site.document("report")["candidates"] == before["candidates"]


FAILING = """\
from autospikformer_cli.search.objectives import Objective


def read(candidate, price):
    raise OSError("no table of latencies")


LATENCY = Objective("latency", "latency", "steps", "less", read)
"""


def test_a_plugin_that_fails_when_it_is_called(site: Site, trained: Path) -> None:
    """It disturbs what needs it alone, and what was stored before is there without it."""
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, "search.limits.latency=3"))
    before = site.document("report")
    site.install("objectives", FAILING)
    failed = (
        "search.limits.latency: objective latency of aspk-latency 1.5 fails for c0001: OSError: no table of latencies"
    )
    for words in (("report",), ("evaluate", "--images", "20"), ("search",)):
        assert failed in site.refuses(*words)
    site.succeeds("runs")
    site.succeeds("runs", "show", "tiny")
    site.succeeds("evaluate", "--images", "20", "--subnet", "c0001")
    assert "objective latency of aspk-latency 1.5 fails for baseline" in site.refuses(
        "search", *sets("search.limits.latency=2")
    )
    site.lose("objectives", "gone")
    assert site.document("report", "--search", before["search"])["candidates"] == before["candidates"]


PRICED = """\
from autospikformer_cli.search.objectives import Objective

LATENCY = Objective("latency", "price", "nJ", "less", lambda candidate, price: price.energy_j * 1e9)
"""


def test_a_plugin_wins_over_what_it_gave_before(site: Site, trained: Path) -> None:
    """And prices anew, as stored values cannot."""
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, "search.limits.latency=1e9"))
    assert site.document("report")["objectives"] == [
        {"name": "latency", "label": "latency", "unit": "steps", "better": "less"}
    ]
    site.install("objectives", PRICED)
    for words in ((), ("--profile", "loihi")):
        report = site.document("report", *words)
        assert report["objectives"] == [{"name": "latency", "label": "price", "unit": "nJ", "better": "less"}]
        assert all(each["objectives"]["latency"] == each["energy_j"] * 1e9 for each in report["candidates"])
    unfinished(trained)
    site.succeeds("search")
    own = {each["id"]: each["objectives"]["latency"] for each in site.document("report")["candidates"]}
    site.lose("objectives", "gone")
    report = site.document("report", "--profile", "loihi")
    assert {each["id"]: each["objectives"]["latency"] for each in report["candidates"]} == own
    assert report["provenance"]["stand_ins"][0].endswith("stand in, computed under the search's own prices")


def test_values_of_several_searches(site: Site, trained: Path) -> None:
    """A sweep keeps the limit if each candidate of the archive has its value in some search."""
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, "search.limits.latency=2"))
    kept = site.document("report", "--alpha-sweep")
    site.lose("objectives", "gone")
    assert {each["subnet"][-2] for each in kept["pareto"]} == {2}
    assert site.document("report", "--alpha-sweep")["pareto"] == kept["pareto"]
    assert "its stored values stand in" in site.succeeds("report", "--alpha-sweep")
    limited = load_population(trained).name
    site.succeeds("search", *sets("search.population=5", *SMALL[1:]))
    mixed = site.document("report", "--alpha-sweep", "--search", limited)
    assert mixed["num_searches"] == 2
    assert "latency is not known here" in mixed["provenance"]["unknown"][0]
    assert mixed["num_candidates"] > kept["num_candidates"]


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_an_algorithm_of_a_stored_search(site: Site, trained: Path, how: str) -> None:
    site.install("algorithms")
    site.succeeds("search", *sets(*SMALL, 'search.algorithm="hill"'))
    before = site.document("report")
    named = site.lose("algorithms", how)
    after = site.document("report")
    assert after["candidates"] == before["candidates"]
    assert named in after["provenance"]["unknown"][0]
    for words in WORKS:
        site.succeeds(*words)
    unfinished(trained)
    assert named in site.refuses("search")
    site.succeeds("search", *sets(*SMALL))


def test_an_algorithm_that_cannot_read_its_state(site: Site, trained: Path) -> None:
    """It is refused by its plugin and by the file; what was measured is reported."""
    site.install("algorithms", f"{ALGORITHM}\n    def restore(self, state, archive):\n        return state['mood']\n")
    site.succeeds("search", *sets(*SMALL, 'search.algorithm="hill"'))
    population = load_population(trained)
    save_population(trained, replace(population, state={**population.state, "finished": False}))
    refused = site.refuses("search")
    assert refused.startswith(
        f"error: {search_file(trained, population.name)}: the search cannot go on: "
        "aspk-hill 1.5 cannot read its state: KeyError: 'mood' restore it from a copy, or search anew: "
    )
    site.succeeds("report")


def test_an_algorithm_whose_state_lacks_the_generation(site: Site, trained: Path) -> None:
    site.install("algorithms", f"{ALGORITHM}\n    def state(self):\n        return {{'algorithm': 'hill'}}\n")
    site.succeeds("search", *sets(*SMALL, 'search.algorithm="hill"'))
    assert load_population(trained).state["generation"] == 1
    site.succeeds("report")


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_neuron_of_a_stored_run(site: Site, how: str) -> None:
    """Stored counts are reported and priced; nothing is measured."""
    site.install("neurons")
    site.succeeds("train", "tiny.toml", *sets(*TINY, 'model.neuron="integrator"'))
    site.succeeds("search", *sets(*SMALL))
    report, energy = site.document("report"), site.document("energy")
    named = site.lose("neurons", how)

    after = site.document("report")
    assert after["candidates"] == report["candidates"]
    assert named in after["provenance"]["unknown"][0]
    assert site.document("energy") == energy
    site.succeeds("runs")
    for words in (("evaluate", "--images", "20"), ("export", "--to", "a.safetensors"), ("search", *sets(*SMALL[1:]))):
        assert named in site.refuses(*words)


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_an_executor_that_a_search_ran_on(site: Site, trained: Path, how: str) -> None:
    """It decides no result, so nothing that is stored needs it."""
    site.install("executors")
    site.succeeds("search", "--executor", "near", *sets(*SMALL))
    site.lose("executors", how)
    for words in (("report",), *WORKS, ("search", *sets("search.population=5"))):
        site.succeeds(*words)
    assert "near" in site.refuses("search", "--executor", "near", *sets("search.population=7"))


@pytest.mark.parametrize(
    ("kind", "setting", "words"),
    [
        ("neurons", 'model.neuron="integrator"', ("train", "tiny.toml", "--fresh")),
        ("objectives", 'search.objectives=["top1","latency"]', ("search",)),
        ("algorithms", 'search.algorithm="hill"', ("search",)),
        ("executors", "search.population=4", ("search", "--executor", "near")),
    ],
)
def test_two_plugins_that_give_one_name(
    site: Site, trained: Path, kind: str, setting: str, words: tuple[str, ...]
) -> None:
    site.install(kind)
    name, _, attribute = PLUGINS[kind]
    other = site.folder / "other-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text(f"[aspk.{kind}]\n{name} = aspk_{name}:{attribute}\n")
    said = f"{kind[:-1]} {name} is given by 2 distributions: aspk-{name}, other uninstall all but one of them"
    assert said in site.refuses(*words, *sets(setting))
    for words_of_others in (("runs",), ("evaluate", "--subnet", "largest", "--images", "20")):
        site.succeeds(*words_of_others)


def test_a_plugin_of_one_of_our_names_that_prints(site: Site, trained: Path) -> None:
    """Ours is used, and said once; what a plugin prints while it is imported is in no document."""
    site.install("algorithms", f"print('hill is here')\n{ALGORITHM}")
    points = site.folder / "aspk_hill-1.5.dist-info" / "entry_points.txt"
    points.write_text(f"{points.read_text()}random = aspk_hill:Hill\n")
    code, out, err = site.aspk("search", *sets(*SMALL, 'search.algorithm="hill"'), "--json")
    assert (code, json.loads(out)["provenance"]["algorithm"], "hill is here" in err) == (0, "hill", True)
    code, out, err = site.aspk("search", *sets(*SMALL, 'search.algorithm="random"'), "--json")
    told = "the algorithm random of aspk-hill is not used: aspk has one of that name"
    assert (code, json.loads(out)["provenance"]["algorithm"], err.count(told)) == (0, "random", 1)


def test_a_plugin_that_fails_when_it_is_made(site: Site, trained: Path) -> None:
    """The traceback stays, and the message names it."""
    site.install("algorithms", f"{ALGORITHM}\n    def __init__(self, *given):\n        raise ValueError('no mood')\n")
    code, _, err = site.aspk("search", *sets(*SMALL, 'search.algorithm="hill"'))
    said = "ValueError: no mood error: this is a bug in aspk, or in aspk-hill 1.5; the traceback says where"
    assert (code, err.endswith(said)) == (1, True)
    site.succeeds("search", *sets(*SMALL))


def test_a_store_of_an_earlier_aspk_names_the_component_alone(site: Site, trained: Path) -> None:
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, 'search.objectives=["top1","latency"]'))
    population = load_population(trained)
    text, comment = population.recipe_toml.split("\n# plugin ")
    assert comment.startswith("objectives.latency: aspk-latency 1.5\n# images: classes 10, ")
    save_population(trained, replace(population, recipe_toml=text, objectives=()))
    site.lose("objectives", "gone")
    (unknown,) = site.document("report")["provenance"]["unknown"]
    assert unknown == "search.objectives: 'latency' is not one of the objectives"


def test_a_folder_of_images_that_is_gone(site: Site) -> None:
    """How many classes it had stands in the run, so stored counts are still reported and priced."""
    draw = np.random.default_rng(0)
    for split, name, number in product(("train", "test"), ("cat", "dog", "owl"), range(8)):
        folder = Path("photographs") / split / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    images = ('data.dataset="folder"', 'data.root="photographs"', "data.image_size=8", "model.calibration_images=8")
    site.succeeds("train", "tiny.toml", *sets(*TINY, *images))
    site.succeeds("train", "tiny.toml", "--run", "runs/plain", "--fresh", *sets(*TINY, *images))
    site.succeeds("search", "--run", "tiny", *sets(*SMALL[:-1], "search.images=4"))
    report, energy = site.document("report"), site.document("energy")
    strict = site.document("energy", "--convention", "strict", "--profile", "loihi")
    shutil.rmtree("photographs")
    assert site.document("report") == report
    assert site.document("energy") == energy
    assert site.document("energy", "--convention", "strict", "--profile", "loihi") == strict
    site.succeeds("energy", "--run", "plain", "--firing-rate", "0.2")
    subnet = load_recipe("tiny.toml").baseline()
    refused = site.refuses("energy", "--run", "plain")
    assert refused.startswith(
        f"error: data.root: nothing that runs/plain stores prices {subnet}, and the images to measure it on cannot be "
        f"read: no folder {Path.cwd() / 'photographs'} set data.root to the folder of your images; "
    )
    assert "; or without images, at rates that you give: --firing-rate 0.2, or --rates FILE" in refused
    site.succeeds("runs")
    refused = site.refuses("evaluate")
    assert "photographs" in refused
