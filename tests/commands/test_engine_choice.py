"""--engine: either runs every command, who ran is told and kept, and where the event-driven one cannot run is said."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numba import njit
from torch import Tensor

from autospikformer_cli.engine import warming
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import make_supernet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.store import evaluations, population
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint

Aspk = Callable[..., Any]
ENGINES = ("event_driven", "dense")
ANN = ("--set", 'model.network="transformer"')


class Stranger(NeuronKind):
    """A plugin's neuron without an equal LIF neuron."""

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        return (current_TMC.expand(time_step, -1, -1) > neuron.threshold).to(current_TMC.dtype)


def supernet(neuron: type[NeuronKind] | None = None) -> Supernet:
    """The tiny recipe's network, its neurons perhaps of another kind."""
    recipe = load_recipe("tiny.toml")
    network = make_supernet(recipe, make_compute())
    return network if neuron is None else Supernet(replace(network.config, neuron=neuron))


def test_both_engines_measure_the_same_and_say_which(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", "largest", "--images", "80", "--precision", "float64", "--json")
    sparse, dense = (aspk("evaluate", *options, "--engine", engine).document for engine in ENGINES)
    assert (sparse.pop("engine"), dense.pop("engine")) == ENGINES
    assert sparse == dense
    assert sparse["synaptic_events"] > 1000
    kept = load_evaluations(trained)
    assert tuple(each.provenance.engine for each in kept) == ENGINES
    assert kept[0].measurement == kept[1].measurement
    for engine in ENGINES:
        shown = aspk("evaluate", *options[:-1], "--engine", engine, "--quiet")
        assert ["Engine", engine] in [line.split() for line in shown.stdout.splitlines()]


@pytest.mark.parametrize("command", ["energy", "analyze"])
def test_energy_and_analyze_name_the_engine(command: str, aspk: Aspk, trained: Path) -> None:
    documents = [aspk(command, "--precision", "float64", "--engine", e, "--json").document for e in ENGINES]
    assert tuple(document.pop("engine") for document in documents) == ENGINES
    assert documents[0] == documents[1]
    shown = " ".join(aspk(command, "--engine", "dense", "--quiet").stdout.split())
    assert "engine dense" in shown.replace("engine: dense", "engine dense")


def test_a_given_rate_was_run_by_no_engine(aspk: Aspk) -> None:
    done = aspk("energy", "quickstart", "--firing-rate", "0.2", "--json")
    assert done.document["engine"] is None
    assert "engine" not in aspk("energy", "quickstart", "--firing-rate", "0.2").stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_either_measures_what_an_export_is_compared_with(engine: str, aspk: Aspk, trained: Path) -> None:
    options = ("--to", "largest.safetensors", "--subnet", "largest", "--images", "40", "--precision", "float64")
    done = aspk("export", *options, "--engine", engine, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.document["same_predictions"] == 40


def test_training_itself_depends_on_no_engine(aspk: Aspk) -> None:
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0", "--set", "train.validation_images=20")
    for engine in ENGINES:
        done = aspk("train", "tiny.toml", *short, "--engine", engine, "--run", engine, "--quiet")
        assert done.exit_code == 0, done.stderr
    sparse, dense = (load_checkpoint(Path("runs") / engine) for engine in ENGINES)
    assert all(np.array_equal(sparse.weights[name], dense.weights[name]) for name in sparse.weights)


def test_a_search_does_not_go_on_with_another_engine(aspk: Aspk, searched: Path) -> None:
    assert load_population(searched).provenance.engine == "event_driven"
    assert aspk("report", "--json").document["provenance"]["engine"] == "event_driven"
    assert "engine     event_driven" in aspk("report").stdout
    done = aspk("search", "--engine", "dense")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: runs/tiny: the search of this run was begun with the engine event_driven, not dense\n"
        "  go on with --engine event_driven, or search anew with --fresh (the old population is kept beside)\n"
    )


def test_stores_without_an_engine_were_measured_densely(
    aspk: Aspk, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert aspk("evaluate", "--images", "5", "--quiet").exit_code == 0
    before = load_population(searched)
    with monkeypatch.context() as older:
        for store in (population, evaluations):
            older.setattr(store, "asdict", lambda of: {k: v for k, v in asdict(of).items() if k != "engine"})
        population.save_population(searched, before)
        evaluations.append_evaluation(searched, load_evaluations(searched)[0], recipe_name="tiny")
    assert {each.provenance.engine for each in load_evaluations(searched)} == {"dense"}
    assert load_population(searched) == replace(before, provenance=replace(before.provenance, engine="dense"))
    assert aspk("report", "--json").document["provenance"]["engine"] == "dense"
    refused = aspk("search")
    assert refused.exit_code == 2
    assert "begun with the engine dense, not event_driven\n  go on with --engine dense, or" in refused.stderr
    assert aspk("search", "--engine", "dense").exit_code == 0


def test_an_ann_has_no_events(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("train", "tiny.toml", *ANN, "--engine", "event_driven")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --engine: the event-driven engine cannot run an ANN, which has no events\n"
        "  leave it out, or choose dense\n"
    )
    assert not (own_folder / "runs").exists()
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk("train", "tiny.toml", *ANN, *short, "--quiet").exit_code == 0
    refused = aspk("evaluate", "--subnet", "largest", "--engine", "event_driven")
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", done.stderr)
    document = aspk("evaluate", "--subnet", "largest", "--images", "5", "--json").document
    assert (document["engine"], document["synaptic_events"]) == ("dense", None)


def test_a_neuron_without_a_compiled_form() -> None:
    with pytest.raises(UserError) as raised:
        make_compute(engine="event_driven").engine_for(supernet(Stranger))
    assert str(raised.value) == (
        "--engine: the event-driven engine cannot run the neuron Stranger, which has no form for compiled loops\n"
        "  leave it out, or choose dense"
    )
    assert make_compute().engine_for(supernet(Stranger)).name == "dense"


@pytest.mark.gpu
def test_a_gpu_runs_the_dense_engine(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", "largest", "--images", "20", "--device", "cuda")
    assert aspk("evaluate", *options, "--json").document["engine"] == "dense"
    refused = aspk("evaluate", *options, "--engine", "event_driven")
    assert refused.exit_code == 2
    assert "the event-driven engine cannot run on the device cuda, only on the CPU" in refused.stderr


@pytest.mark.parametrize(
    ("word", "fix"), [("event-driven", "did you mean event_driven?"), ("gpu", "choose event_driven or dense")]
)
def test_an_engine_that_is_none(word: str, fix: str, aspk: Aspk) -> None:
    done = aspk("search", "--engine", word)
    assert (done.exit_code, done.stderr) == (2, f"error: --engine: {word!r} is not an engine\n  {fix}\n")


class Shown:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.done: list[int] = []

    @contextlib.contextmanager
    def __call__(self, total: int) -> Iterator[Shown]:
        self.totals.append(total)
        yield self

    def advance(self, n: int = 1, **shown: float | int | str) -> None:
        self.done.append(n)


def test_a_compilation_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own loops are in the cache here, so another loop stands in for them."""
    double = njit(lambda x: 2 * x)
    stranger = njit(lambda x: 3 * x)
    monkeypatch.setattr(warming, "LOOPS", (double,))

    def logits(*arguments: object) -> None:
        for x in (stranger(1), double(1), double(1.0)):
            assert x > 0

    shown = Shown()
    engine: Any = SimpleNamespace(supernet=supernet(), logits=logits)
    warming.warm(engine, shown)
    assert shown.totals == [warming.NUM_COMPILED]
    assert shown.done == [1, 1, warming.NUM_COMPILED - 2]
    warming.warm(engine, shown)
    assert shown.totals == [warming.NUM_COMPILED]


MEASURED = """
import torch
from autospikformer_cli.data.description import describe
from autospikformer_cli.engine import warming
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import make_supernet, warm_engine
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.say import SILENT
from autospikformer_cli.spiking.normalisation import RecordedStatistics

def compiled():
    return sum(len(loop.signatures) for loop in warming.LOOPS)

compute, recipe = make_compute(threads=1), load_recipe(NAME)
engine = compute.engine_for(make_supernet(recipe, compute))
warm_engine(engine, SILENT)
warmed, shape = compiled(), engine.supernet.config.shape
frames = torch.ones(4 if shape.reads_events else 1, 3, shape.image_size, shape.image_size, shape.in_channels)
with torch.no_grad():
    engine.logits(frames, engine.supernet.config.space.largest(), RecordedStatistics(), Untallied())
print(warmed, compiled(), warming.NUM_COMPILED)
"""


TRAINED = """
import torch
from autospikformer_cli.engine import warming
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import make_supernet, warm_training
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.say import SILENT

def compiled():
    return [len(loop.signatures) for loop in warming.TRAINING_LOOPS]

compute, recipe = make_compute(threads=1), load_recipe(NAME)
warm_training(recipe, compute, SILENT)
warmed, supernet = compiled(), make_supernet(recipe, compute)
shape = supernet.config.shape
frames = torch.ones(4 if shape.reads_events else 1, 3, shape.image_size, shape.image_size, shape.in_channels)
supernet(frames, supernet.config.space.largest()).sum().backward()
print(warmed == compiled(), min(warmed))
"""


@pytest.mark.parametrize("recipe", ["quickstart", "quickstart-events"])
def test_warming_leaves_nothing_of_a_training_to_compile(recipe: str) -> None:
    """Else the first step, and so the first epoch, would seem slow."""
    command = [sys.executable, "-c", TRAINED.replace("NAME", repr(recipe))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1"]


@pytest.mark.parametrize("recipe", ["quickstart", "quickstart-events"])
def test_warming_leaves_nothing_to_compile(recipe: str) -> None:
    """In a new process, whose loops are in the cache: all are loaded, and the measurement needs no other."""
    command = [sys.executable, "-c", MEASURED.replace("NAME", repr(recipe))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(warming.NUM_COMPILED)] * 3
