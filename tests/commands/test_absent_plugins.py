"""Plugins' components in a stored run: searched with, then gone, then broken. Every command in a new process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import autospikformer_cli

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
SMALL = (
    "train.epochs=1",
    "train.warmup_epochs=0",
    "train.validation_images=20",
    "search.population=4",
    "search.parents=2",
    "search.generations=1",
    "search.images=20",
)


class Site:
    """A folder of plugins, one for each group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, kind: str, source: str | None = None) -> None:
        name, whole, attribute = PLUGINS[kind]
        info = self.folder / f"aspk_{name}-1.5.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (self.folder / f"aspk_{name}.py").write_text(whole if source is None else source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: aspk-{name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[aspk.{kind}]\n{name} = aspk_{name}:{attribute}\n")

    def uninstall(self, kind: str) -> None:
        name = PLUGINS[kind][0]
        shutil.rmtree(self.folder / f"aspk_{name}-1.5.dist-info")
        (self.folder / f"aspk_{name}.py").unlink()

    def aspk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        folders = [Path(autospikformer_cli.__file__).parents[1], self.folder]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
        command = [sys.executable, "-m", "autospikformer_cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    def succeeds(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.aspk(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def refuses(self, *arguments: str) -> str:
        """The error of a command that ends with exit code 2."""
        done = self.aspk(*arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert ":33:" not in done.stderr
        return done.stderr

    def sets(self, *settings: str) -> list[str]:
        return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture
def site(own_folder: Path) -> Site:
    """An empty one, in an empty folder of work with the recipe tiny.toml."""
    return Site(own_folder / "site")


def lose(site: Site, kind: str, how: str) -> str:
    """Uninstall a plugin, or break it. Returns what messages must name."""
    name = PLUGINS[kind][0]
    if how == "gone":
        site.uninstall(kind)
        return f"aspk-{name} 1.5"
    site.install(kind, "raise RuntimeError('out of order')\n")
    return f"{name} of aspk-{name} does not load: RuntimeError: out of order"


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_run_searched_with_a_plugin_s_objective(site: Site, how: str) -> None:
    site.install("objectives")
    site.succeeds("train", "tiny.toml", *site.sets(*SMALL, 'search.objectives=["top1","latency"]'))
    site.succeeds("search")
    before = json.loads(site.succeeds("report", "--json").stdout)
    named = lose(site, "objectives", how)

    report = site.succeeds("report", "--json")
    after = json.loads(report.stdout)
    assert after["candidates"] == before["candidates"]
    assert before["provenance"]["unknown"] == []
    (unknown,) = after["provenance"]["unknown"]
    assert unknown.startswith("search.objectives: ")
    assert named in unknown
    assert (before["hypervolume"] is None, after["hypervolume"]) == (False, None)
    assert named in site.succeeds("report").stdout.replace("\n", " ")
    for words in (("runs",), ("evaluate",), ("energy",), ("export", "--format", "state-dict"), ("analyze",)):
        site.succeeds(*words)
    assert named in site.refuses("search", "--set", "search.population=5")
    site.succeeds("search", "--set", 'search.objectives=["top1","energy"]')
    assert json.loads(site.succeeds("report", "--json").stdout)["hypervolume"]["objectives"] == ["top1", "energy"]
