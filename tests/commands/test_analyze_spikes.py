"""aspk analyze spikes: rates as they are stored, and every neuron against the network in plain NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from autospikformer_cli.runs.trained_run import open_run
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]

IMAGES = 30
RECIPE: dict[str, Any] = {
    "data": {"dataset": "digits"},
    "model": {"pooled_stages": [4], "batchnorm": "running"},
    "space": {
        "depth": [1, 2], "mlp_ratio": [1.4, 2], "num_heads": [2, 4], "embed_dim": [24, 32], "threshold": [0.8, 1.4],
        "tau": [1.5, 3], "time_step": [3, 4],
    },
    "train": {"epochs": 30},
}  # fmt: skip
LARGEST = "(2, 2, 2, 2, 4, 0.8, 1.4, 1.5, 3, 4, 32)"
NARROW = "(1, 1.4, 4, 0.8, 3, 3, 24)"


def genes_of(reference: Any, text: str) -> Any:
    """A subnet as the reference has it."""
    words = text.strip("()").split(", ")
    depth = int(words[0])
    genes = [words[1 + depth * gene : 1 + depth * (gene + 1)] for gene in range(4)]
    return reference.Genes(
        tuple(genes[0]), tuple(map(int, genes[1])), tuple(map(float, genes[2])), tuple(map(float, genes[3])),
        int(words[-2]), int(words[-1]),
    )  # fmt: skip


@pytest.fixture
def imported(aspk: Aspk, numpy_spikformer: Any) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """A run made of random weights, some of whose neurons never fire and some always; its weights, and all digits."""
    pixels = np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    frames = numpy_spikformer.normalised(pixels, (0.3053,), (0.3759,))[None]
    switches = numpy_spikformer.Switches(pooled_stages=(4,))
    weights = numpy_spikformer.random_checkpoint(1, frames[:, :100], genes_of(numpy_spikformer, LARGEST), switches, 10)
    for norm, silent, saturated in (("block.0.mlp.fc1_bn", (5, 40), (3,)), ("patch_embed.proj_bn2", (1,), (2, 7))):
        weights[f"{norm}.bias"][list(silent)] = -500.0
        weights[f"{norm}.bias"][list(saturated)] = 500.0
    Path("case.toml").write_text(tomli_w.dumps(RECIPE))
    torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, "case.pth")
    done = aspk("import", "case.pth", "--recipe", "case.toml", "--run", "runs/case", "--precision", "float64")
    assert done.exit_code == 0, done.stderr
    return weights, frames


def brute_force(reference: Any, weights: Any, text: str, frames: Any) -> dict[str, NDArray[np.float64]]:
    """Of every layer its spikes (T, B, positions, channels), in execution order, computed without this package."""
    kept: dict[str, NDArray[np.float64]] = {}

    class Keeping(reference.NumpySpikformer):  # type: ignore[misc]
        def fire(self, name: str, *arguments: Any) -> Any:
            spikes_T = super().fire(name, *arguments)
            kept[name] = np.array([spikes.reshape(len(spikes), -1, spikes.shape[-1]) for spikes in spikes_T])
            return spikes_T

    Keeping(weights, genes_of(reference, text), reference.Switches(pooled_stages=(4,)))(frames)
    return kept


@pytest.mark.parametrize("engine", ["event_driven", "dense"])
def test_every_neuron_against_the_network_in_numpy(
    aspk: Aspk, numpy_spikformer: Any, imported: Any, engine: str
) -> None:
    weights, frames = imported
    index = open_run("runs/case").images("validation").first(IMAGES).index.numpy()
    options = ("--set", f"search.images={IMAGES}", "--precision", "float64", "--engine", engine)
    done = aspk("analyze", "spikes", "--subnet", LARGEST, "--subnet", NARROW, *options, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    for subnet, text in zip(done.document["subnets"], (LARGEST, NARROW), strict=True):
        expected = brute_force(numpy_spikformer, weights, text, frames[:, index])
        assert (subnet["images"], subnet["neurons"]) == (IMAGES, f"measured now on {IMAGES} validation images")
        assert len(subnet["layers"]) == len(expected)
        for layer, spikes_TBPC in zip(subnet["layers"], expected.values(), strict=True):
            rates_PC = spikes_TBPC.mean((0, 1))
            silent_PC, saturated_PC = rates_PC < 0.001, rates_PC > 0.999
            assert layer["firing_rate"] == pytest.approx(spikes_TBPC.mean(), abs=1e-12)
            assert layer["step_rates"] == pytest.approx(list(spikes_TBPC.mean((1, 2, 3))), abs=1e-12)
            assert layer["neurons"] == {
                "neurons": rates_PC.size, "silent_neurons": silent_PC.sum(), "saturated_neurons": saturated_PC.sum(),
                "channels": rates_PC.shape[1], "channels_all_silent": silent_PC.all(0).sum(),
                "channels_all_saturated": saturated_PC.all(0).sum(),
            }  # fmt: skip
    by_name = {layer["name"]: layer["neurons"] for layer in done.document["subnets"][0]["layers"]}
    assert by_name["block.0.mlp.fc1_linear"]["channels_all_saturated"] == 1
    assert by_name["block.0.mlp.fc1_linear"]["channels_all_silent"] >= 2
    assert by_name["patch_embed.proj_conv2"]["channels_all_saturated"] == 2
    assert by_name["patch_embed.proj_conv"]["silent_neurons"] not in (0, by_name["patch_embed.proj_conv"]["neurons"])


def test_a_last_batch_is_not_filled_up_with_neurons(aspk: Aspk, trained: Path) -> None:
    """The dense engine pads the last batch with zeros, which are no images."""
    whole = aspk("analyze", "spikes", "--subnet", "largest", "--images", "9", "--json", "--quiet").document
    options = ("--engine", "dense", "--precision", "float64", "--set", "model.evaluation_batch=4")
    padded = aspk("analyze", "spikes", "--subnet", "largest", "--images", "9", *options, "--json", "--quiet").document
    found, expected = (
        [layer["neurons"]["silent_neurons"] for layer in document["subnets"][0]["layers"]]
        for document in (padded, whole)
    )
    assert found == expected
    assert padded["subnets"][0]["engine"] == "dense"


def test_rates_are_the_stored_ones_under_the_names_of_the_report(aspk: Aspk, searched: Path) -> None:
    document = aspk("analyze", "spikes", "--json", "--quiet").document
    best, baseline = document["subnets"]
    assert (best["name"], baseline["name"]) == ("best", "baseline")
    ranked = aspk("report", "--json").document["candidates"][0]
    shared = ("subnet", "firing_rate", "silent_channels", "silent_layers", "silent_blocks", "images")
    assert {key: best[key] for key in shared} == {key: ranked[key] for key in shared}
    for each in (best, baseline):
        rates = aspk("energy", "--subnet", each["name"], "--json", "--quiet").document["step_rates"]
        assert {layer["name"]: layer["step_rates"] for layer in each["layers"]} == rates
        assert each["rates"] == "measured by the search on 60 validation images"
        assert each["neurons"] == "measured now on 60 validation images"


def test_its_neurons_fire_as_often_as_the_search_counted(aspk: Aspk, searched: Path) -> None:
    """No remark says that they do not."""
    done = aspk("analyze", "spikes", "--subnet", "best", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "neurons measured now on 60 validation images" in " ".join(done.stdout.split())


def test_only_what_is_stored(aspk: Aspk, searched: Path) -> None:
    done = aspk("analyze", "spikes", "--stored", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    for each in done.document["subnets"]:
        assert each["neurons"] is None
        assert {layer["neurons"] for layer in each["layers"]} == {None}
    shown = aspk("analyze", "spikes", "--stored").stdout
    assert "rates measured by the search on 60 validation images" in " ".join(shown.split())
    assert "silent neuron" not in shown
    known = {each.subnet for each in load_population(searched).candidates}
    other = next(each for each in open_run(searched).recipe.space.search_space().members() if each not in known)
    refused = aspk("analyze", "spikes", "--stored", "--subnet", str(other))
    assert refused.exit_code == 2
    assert refused.stderr.endswith("leave out --stored: then it is measured now\n")
    changed = aspk("analyze", "spikes", "--stored", "--set", 'model.batchnorm="running"')
    assert changed.stderr.startswith("error: --stored: the search measured best with other model.batchnorm")


def test_shallow_and_deep_subnets_with_other_steps(aspk: Aspk, trained: Path) -> None:
    words = ("analyze", "spikes", "--subnet", "smallest", "--subnet", "largest", "--images", "5", "--steps")
    document = aspk(*words, "--json").document
    small, large = document["subnets"]
    assert (small["time_step"], large["time_step"]) == (2, 3)
    assert {len(layer["step_rates"]) for layer in small["layers"]} == {2}
    assert len(small["layers"]) == 12
    assert len(large["layers"]) == 19
    shown = aspk(*words).stdout
    rates, by_step = shown.split("Firing rate of the layers' outputs by time step")
    (fc2,) = re.findall(r"^block\.1\.mlp\.fc2_linear +(.*?) *$", rates, re.MULTILINE)
    assert fc2.split()[:4] == ["–"] * 4
    assert fc2.split()[4] == f"{large['layers'][-1]['firing_rate']:.3f}"
    (row,) = re.findall(r"^block\.0\.mlp\.fc1_linear +(.*?) *$", by_step, re.MULTILINE)
    expected = [
        layer["step_rates"] for each in (small, large) for layer in each["layers"] if "0.mlp.fc1" in layer["name"]
    ]
    assert row.split() == [f"{rate:.3f}" for rates in expected for rate in rates]
    (total,) = re.findall(r"^all layers +(\S+) .*$", rates, re.MULTILINE)
    assert total == f"{small['firing_rate']:.3f}"
    assert "–: a subnet has no such layer" in shown


def test_a_block_in_all_is_the_block_that_the_report_calls_silent(aspk: Aspk, trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    dead = {
        name: np.zeros_like(array) if name.startswith("block.1.") and "_bn." in name else array
        for name, array in checkpoint.weights.items()
    }
    save_checkpoint(trained, replace(checkpoint, weights=dead))
    words = ("analyze", "spikes", "--subnet", "largest", "--images", "5")
    document = aspk(*words, "--json").document["subnets"][0]
    assert document["silent_blocks"] == [1]
    assert set(document["silent_layers"]) >= {"block.1.attn.q_linear", "block.1.attn.(q@k)@v", "block.1.mlp.fc2_linear"}
    shown = aspk(*words).stdout
    assert re.search(r"^block 1 in all +0\.000 +100 +0 +\d+, 0 *$", shown, re.MULTILINE)
    assert f"silent layers {len(document['silent_layers'])}, silent blocks 1" in shown


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_it_fits_the_console(aspk: Aspk, searched: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = ("--subnet", "best", "--subnet", "smallest", "--subnet", "largest", "--images", "5", "--steps")
    shown = aspk("analyze", "spikes", *words, "--quiet").stdout
    assert max(map(len, shown.splitlines())) <= min(columns, 100)
    assert "…" not in shown
    tables = shown.count("Layer  ")
    assert tables == {60: 4, 80: 2, 120: 2}[columns]
    assert ("Chan-" in shown) == (columns == 120)
    assert ("not shown at this width: channels" in shown) == (columns < 120)


def test_equal_subnets_are_shown_once(aspk: Aspk, searched: Path) -> None:
    best = aspk("report", "--json").document["candidates"][0]["id"]
    done = aspk("analyze", "spikes", "--subnet", "best", "--subnet", best, "--images", "3", "--json")
    assert done.stderr.startswith(f"{best} and best are one subnet, which is shown once\n")
    assert [each["name"] for each in done.document["subnets"]] == ["best"]


def test_the_picture(aspk: Aspk, searched: Path) -> None:
    done = aspk("analyze", "spikes", "--stored", "--figure", "spikes.svg", "--width", "double")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "figure: spikes.svg, 174 x " in done.stdout
    texts = re.findall(r">([^<>]+)</text>", Path("spikes.svg").read_text())
    for wanted in ("best", "baseline", "Output firing rate", "block.1.mlp.fc2_linear", "Time step"):
        assert wanted in texts, wanted


def test_more_subnets_than_a_picture_has_room_for(aspk: Aspk, searched: Path) -> None:
    subnets = [word for each in range(1, 16) for word in ("--subnet", f"c{each:04}")]
    done = aspk("analyze", "spikes", "--stored", *subnets, "--figure", "many.png")
    assert done.exit_code == 2
    assert re.search(
        r"^error: --figure: 15 subnets with \d+ time steps do not fit into 85 mm$", done.stderr, re.MULTILINE
    )
    assert not Path("many.png").exists()
    assert aspk("analyze", "spikes", "--stored", *subnets, "--figure", "many.png", "--width", "double").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--figure", "a.gif"), "error: a.gif: a picture is written as"),
        (("--width", "single"), "error: --width: it acts on figures only"),
        (("--images", "3", "--stored"), "error: --images: it acts on neurons, which --stored does not measure"),
        ((), "error: there is no run under runs"),
    ],
)
def test_what_does_not_fit_together(aspk: Aspk, words: tuple[str, ...], said: str) -> None:
    done = aspk("analyze", "spikes", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(said)


def test_subnets_and_images_that_are_not_there(aspk: Aspk, searched: Path) -> None:
    for words, said in (
        (("--subnet", "best", "--subnet", "c9999"), "error: --subnet: 'c9999' is no candidate"),
        (("--images", "61"), "error: --images: the rates of best are of 60 images, not of 61"),
    ):
        done = aspk("analyze", "spikes", *words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(said)


def test_an_ann_has_no_spikes(aspk: Aspk, tiny_recipe: Path) -> None:
    options = ("--set", 'model.network="transformer"', "--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk("train", tiny_recipe, *options, "--quiet").exit_code == 0
    for subnet in ((), ("--subnet", "largest"), ("--stored",)):
        done = aspk("analyze", "spikes", *subnet)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == "error: runs/tiny: an ANN has no spikes\n  choose a run of a spiking network\n"
