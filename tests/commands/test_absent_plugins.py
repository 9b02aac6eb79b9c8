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
from autospikformer_cli.evaluation.executors import EXECUTORS
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.search_section import ALGORITHMS, OBJECTIVES
from autospikformer_cli.recipe.sections import NEURONS
from autospikformer_cli.registry import Registry
from autospikformer_cli.store.population import load_population, save_population
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


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_an_objective_of_a_stored_search(site: Site, trained: Path, how: str) -> None:
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, 'search.objectives=["top1","latency"]'))
    before = site.document("report")
    named = site.lose("objectives", how)

    after = site.document("report")
    assert after["candidates"] == before["candidates"]
    assert before["provenance"]["unknown"] == []
    (unknown,) = after["provenance"]["unknown"]
    assert unknown.startswith("search.objectives: ")
    assert named in unknown
    assert (before["hypervolume"] is None, after["hypervolume"]) == (False, None)
    assert named in site.succeeds("report")
    for words in WORKS:
        site.succeeds(*words)
    site.succeeds("search")
    population = load_population(trained)
    save_population(trained, replace(population, state={**population.state, "finished": False}))
    assert named in site.refuses("search")
    site.succeeds("search", *sets(*SMALL, 'search.objectives=["top1","energy"]'))
    assert site.document("report")["hypervolume"]["objectives"] == ["top1", "energy"]


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_limit_of_a_stored_search(site: Site, trained: Path, how: str) -> None:
    """Nobody can say which candidates keep it, so there is no best; each candidate has its id."""
    site.install("objectives")
    site.succeeds("search", *sets(*SMALL, "search.limits.latency=3"))
    named = site.lose("objectives", how)
    assert f"{named} (candidates that break it are ranked, too)" in site.succeeds("report")
    refused = site.refuses("evaluate", "--images", "20")
    assert "the best is not known here: " in refused
    assert named in refused
    assert "name a candidate by its id" in refused
    site.succeeds("evaluate", "--images", "20", "--subnet", "c0001")
    site.succeeds("search", *sets(*SMALL))
    site.succeeds("evaluate", "--images", "20")


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
    population = load_population(trained)
    save_population(trained, replace(population, state={**population.state, "finished": False}))
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
    save_population(trained, replace(population, recipe_toml=text))
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
