"""A plugin's neuron from training to search, in new processes, and a run whose neuron is no longer installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autospikformer_cli
from autospikformer_cli.recipe.sections import NEURONS

INTEGRATOR = """\
from autospikformer_cli.spiking.neuron_kinds import NeuronKind


class Integrator(NeuronKind):
    '''Fires where the sum of all currents so far exceeds the threshold; the gradient is that of the sum.'''

    def forward(self, current_TMC, time_step, neuron):
        excess = current_TMC.expand(time_step, -1, -1).cumsum(0) - neuron.threshold
        return (excess > 0).to(excess.dtype) + (excess - excess.detach())
"""
SETTINGS = (
    'model.neuron="integrator"',
    "train.epochs=1",
    "train.warmup_epochs=0",
    "train.validation_images=20",
    "search.population=2",
    "search.parents=1",
    "search.generations=1",
    "search.images=20",
)


@pytest.fixture
def plugin(own_folder: Path) -> Path:
    """A folder for PYTHONPATH with a distribution that adds the neuron "integrator"."""
    folder = own_folder / "site"
    metadata = folder / "aspk_integrator-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "aspk_integrator.py").write_text(INTEGRATOR)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: aspk-integrator\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[aspk.neurons]\nintegrator = aspk_integrator:Integrator\n")
    return folder


def aspk(*arguments: str, plugin: Path | None = None) -> subprocess.CompletedProcess[str]:
    """aspk in a new process, with or without the plugin."""
    folders = [Path(autospikformer_cli.__file__).parents[1], *([plugin] if plugin else [])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [
        sys.executable,
        "-m",
        "autospikformer_cli",
        *arguments,
        *(["--threads", "1"] if arguments[0] not in ("report", "runs") else []),
    ]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_plugins_neuron_is_trained_and_searched_and_its_absence_is_told(plugin: Path) -> None:
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    trained = aspk("train", "tiny.toml", *options, "--json", plugin=plugin)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["resolved"]["model.neuron"] == "integrator"
    searched = aspk("search", "--json", plugin=plugin)
    assert searched.returncode == 0, searched.stderr
    assert len(json.loads(searched.stdout)["candidates"]) == 2

    without = aspk("evaluate", "--subnet", "smallest")
    assert (without.returncode, without.stdout) == (2, "")
    what, fix = without.stderr.splitlines()
    assert what == "error: model.neuron: the neuron integrator is not known here: it needs aspk-integrator 1.0"
    assert fix == f"  install aspk-integrator 1.0, or choose another: {', '.join(NEURONS.names())}"
    assert aspk("report").returncode == 0
    assert aspk("analyze", "spikes", "--stored").returncode == 0
    refused = aspk("analyze", "spikes")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[0].startswith("error: model.neuron: the neuron integrator is not known here")
    measured = aspk("analyze", "spikes", "--subnet", "largest", "--images", "10", "--json", "--quiet", plugin=plugin)
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["subnets"][0]["engine"] == "dense"
