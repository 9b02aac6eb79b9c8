"""A plugin's neuron from training to search, in a process that has it, and the run in this one, which has it not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autospikformer_cli
from autospikformer_cli.recipe.sections import NEURONS

Aspk = Callable[..., Any]
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


COMMANDS = """\
import contextlib, json, sys
from autospikformer_cli.cli.__main__ import main

for name, words in json.loads(sys.argv[1]).items():
    with open(f"{name}.json", "w") as file, contextlib.redirect_stdout(file):
        if (code := main([*words, "--json", "--threads", "1"])) != 0:
            sys.exit(code)
"""


def documents(plugin: Path, **commands: list[str]) -> dict[str, Any]:
    """The documents of commands, by name, of a new process that has the plugin."""
    folders = (Path(autospikformer_cli.__file__).parents[1], plugin)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return {name: json.loads(Path(f"{name}.json").read_text()) for name in commands}


def test_a_plugins_neuron_is_trained_and_searched_and_its_absence_is_told(plugin: Path, aspk: Aspk) -> None:
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    found = documents(
        plugin,
        train=["train", "tiny.toml", *options],
        search=["search"],
        spikes=["analyze", "spikes", "--subnet", "largest", "--images", "10", "--quiet"],
    )
    assert found["train"]["resolved"]["model.neuron"] == "integrator"
    assert len(found["search"]["candidates"]) == 2
    assert found["spikes"]["subnets"][0]["engine"] == "dense"

    without = aspk("evaluate", "--subnet", "smallest")
    assert (without.exit_code, without.stdout) == (2, "")
    what, fix = without.stderr.splitlines()
    assert what == "error: model.neuron: the neuron integrator is not known here: it needs aspk-integrator 1.0"
    assert fix == f"  install aspk-integrator 1.0, or choose another: {', '.join(NEURONS.names())}"
    assert aspk("report").exit_code == 0
    assert aspk("analyze", "spikes", "--stored").exit_code == 0
    refused = aspk("analyze", "spikes")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[0].startswith("error: model.neuron: the neuron integrator is not known here")
