"""aspk energy: the paper's models from their shapes, a run's subnets from what they measured."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.rates import uniform_rates
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.store.population import load_population

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""
Once = tuple[Path, Any]

SPIKFORMER_4_384 = "(4, 4,4,4,4, 12,12,12,12, 1,1,1,1, 2,2,2,2, 4, 384)"
KEYS = {"subnet", "params", "macs", "sops", "energy_j", "ann_energy_j", "layers"}
LAYER_KEYS = {
    "name", "kind", "macs", "steps", "input_rate", "nonzero_rate", "sops", "accumulates", "multiplies", "compute_j",
    "memory_j", "neurons_j", "unpriced", "runs_a_step", "energy_j",
}  # fmt: skip


def test_spikformer_4_384(aspk: Aspk) -> None:
    document = aspk("energy", "cifar10-small", "--subnet", SPIKFORMER_4_384, "--firing-rate", "0.25", "--json").document
    assert set(document) >= KEYS
    assert document["subnet"] == [4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384]
    assert document["params"] == 9_324_730
    assert round(document["macs"] / 1e6, 1) == 934.0
    head = document["layers"][-1]
    assert head == {
        "name": "head", "kind": "head", "macs": 3840, "steps": 1, "input_rate": None, "nonzero_rate": None,
        "sops": None, "accumulates": 0, "multiplies": 3840, "compute_j": pytest.approx(3840 * 4.6e-12), "memory_j": 0,
        "neurons_j": 0, "unpriced": 0, "runs_a_step": 1, "energy_j": pytest.approx(3840 * 4.6e-12),
    }  # fmt: skip
    assert round((document["energy_j"] - head["energy_j"]) * 1e3, 4) == 0.8455
    assert document["ann_energy_j"] == pytest.approx(document["macs"] * 4.6e-12)


def test_layers_add_up(aspk: Aspk) -> None:
    document = aspk("energy", "cifar10-small", "--subnet", SPIKFORMER_4_384, "--firing-rate", "0.25", "--json").document
    layers = document["layers"]
    assert all(set(layer) == LAYER_KEYS for layer in layers)
    assert len(layers) == 5 + 4 * 8 + 1
    first = layers[0]
    assert (first["name"], first["kind"]) == ("patch_embed.proj_conv", "convolution")
    assert (first["macs"], first["input_rate"], first["sops"]) == (32 * 32 * 9 * 3 * 48, None, None)
    assert first["energy_j"] == pytest.approx(first["macs"] * 4.6e-12)
    for layer in layers[1:-1]:
        assert layer["input_rate"] == 0.25
        assert layer["sops"] == layer["macs"]  # rate 1/4, 4 time steps
        assert layer["energy_j"] == pytest.approx(layer["sops"] * 0.9e-12)
    assert {layer["kind"] for layer in layers} == {"convolution", "linear", "attention", "head"}
    for key in ("macs", "energy_j"):
        assert document[key] == pytest.approx(sum(layer[key] for layer in layers), rel=1e-12)
    assert document["sops"] == pytest.approx(sum(layer["sops"] or 0 for layer in layers), rel=1e-12)


@pytest.mark.parametrize(
    ("recipe", "subnet", "millions"),
    [
        ("cifar10-small", "(2, 4,4, 12,12, 1,1, 2,2, 4, 384)", 5.765),
        ("cifar10-small", "(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)", 4.684),  # S_Ts1
        ("cifar10-large", "(2, 4.2, 4.2, 12, 12, 0.8, 1.2, 3, 1.5, 4, 480)", 9.184),  # S_Tl2
        ("cifar10-small", "[4, 4,4,4,4, 12,12,12,12, 1.0,1.0,1.0,1.0, 2,2,2,2, 4, 384]", 9.325),
        ("cifar10-small", "baseline", 9.325),
    ],
)
def test_parameters_of_the_papers_models(aspk: Aspk, recipe: str, subnet: str, millions: float) -> None:
    document = aspk("energy", recipe, "--subnet", subnet, "--firing-rate", "0.2", "--json").document
    assert round(document["params"] / 1e6, 3) == millions


def test_spikformer_4_256(aspk: Aspk) -> None:
    options = ("--set", "space.embed_dim=[256]", "--set", "space.num_heads=[8]", "--firing-rate", "0.2", "--json")
    document = aspk("energy", "cifar10-small", *options).document
    assert document["subnet"] == [4, 4, 4, 4, 4, 8, 8, 8, 8, 1, 1, 1, 1, 2, 2, 2, 2, 4, 256]
    assert round(document["params"] / 1e6, 3) == 4.155


def test_rules_of_counting(aspk: Aspk) -> None:
    def energy_j(*options: str) -> float:
        document = aspk("energy", "cifar10-small", "--firing-rate", "0.25", *options, "--json").document
        return float(document["energy_j"])

    sound = energy_j()
    every = energy_j("--set", 'energy.first_layer_steps="every"')
    assert every - sound == pytest.approx(3 * 32 * 32 * 9 * 3 * 48 * 4.6e-12)
    assert sound - energy_j("--set", 'energy.convention="paper"') == pytest.approx(3840 * 4.6e-12)
    assert energy_j("--set", 'energy.order="q_kv"') < sound < energy_j("--set", 'energy.residual="mac"')


def test_a_table_for_a_reader(aspk: Aspk) -> None:
    done = aspk("energy", "cifar10-small", "--firing-rate", "0.2")
    assert (done.exit_code, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert text.startswith("Energy of (4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384) ")
    assert (
        "input rates: 0.2 for every layer, given; convention sound, profile cmos45: 45 nm CMOS, 32-bit floating point "
        "not counted: pooling, neurons, BatchNorm's affine part, residual additions, memory "
        "9.325 M parameters; as an ANN (Equation 4): 4.297 mJ, with 8 bits 0.2802 mJ, break-even at an input rate of "
        "1.278, here 0.200 fidelity: sound switches: all at their defaults (--verbose lists all)"
    ) in text
    total = next(line.split() for line in done.stdout.splitlines() if line.startswith("total"))
    assert total[:3] == ["total", "934.0M", "746.2M"]
    assert total[-2:] == ["0.6777", "100.0"]


@pytest.mark.parametrize(("rate", "shown"), [("1.5", "1.5"), ("-0.1", "-0.1"), ("nan", "nan"), ("inf", "inf")])
def test_a_rate_outside_0_to_1(aspk: Aspk, rate: str, shown: str) -> None:
    done = aspk("energy", "cifar10-small", f"--firing-rate={rate}")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: --firing-rate: a firing rate of {shown} is not between 0 and 1\n"


def test_a_recipe_without_a_rate(aspk: Aspk) -> None:
    done = aspk("energy", "cifar10-small")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: aspk energy cifar10-small: a recipe alone has no firing rates\n"
        "  add --firing-rate 0.2 or --rates FILE, or leave the recipe out to read a run's\n"
    )


def test_a_subnet_outside_the_space(aspk: Aspk) -> None:
    tuple_of_3_heads = "(2, 4,4, 3,12, 1,1, 2,2, 4, 384)"
    done = aspk("energy", "cifar10-small", "--subnet", tuple_of_3_heads, "--firing-rate", "0.2")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --subnet: subnet (2, 4, 4, 3, 12, 1, 1, 2, 2, 4, 384) is outside the search space: "
        "num_heads of block 0 is 3, the choices are 6, 12\n"
        "  choose a member, or widen [space] in the recipe and train again\n"
    )


def test_a_recipe_has_no_best(aspk: Aspk) -> None:
    done = aspk("energy", "quickstart", "--subnet", "best", "--firing-rate", "0.2")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --subnet: 'best' names no subnet of a recipe\n"
        "  choose largest, smallest, baseline, or a tuple such as '(2, 4, 4, 4, 4, 1, 1, 2, 2, 4, 48)'\n"
    )


def test_it_needs_neither_data_nor_torch(own_folder: Path) -> None:
    program = (
        "import sys; from autospikformer_cli.cli.__main__ import main; "
        "code = main(['energy', 'cifar100-large', '--firing-rate', '0.2', '--quiet']); "
        "heavy = {'torch', 'torchvision', 'tonic', 'numba', 'scipy', 'sklearn', 'matplotlib'}; "
        "sys.exit(code or ', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    before = sorted(own_folder.iterdir())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(own_folder.iterdir()) == before


def test_a_runs_best_costs_what_the_search_says(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    best = searched_once[1]["candidates"][0]
    document = aspk("energy", "--json").document
    assert (document["subnet"], document["energy_j"], document["params"]) == (
        best["subnet"], best["energy_j"], best["params"],
    )  # fmt: skip
    assert document["rates"] == "measured by the search on 60 validation images"

    candidate = next(c for c in load_population(searched).candidates if c.id == best["id"])
    rates = {count.layer: count.rate for count in candidate.measurement.inputs}
    assert document["layers"][0]["input_rate"] is None
    spiking = [layer for layer in document["layers"] if layer["sops"] is not None]
    assert len(spiking) == len(document["layers"]) - 2
    steps = candidate.subnet.time_step
    for layer in spiking:
        assert layer["input_rate"] in rates.values()
        assert layer["sops"] == pytest.approx(layer["input_rate"] * steps * layer["macs"], rel=1e-12)


def test_the_searchs_settings_are_the_runs(aspk: Aspk, trained: Path) -> None:
    options = ("--set", "search.images=30", "--set", 'energy.convention="paper"', "--set", "search.generations=1")
    best = aspk("search", *options, "--json").document["candidates"][0]
    document = aspk("energy", "--json").document
    assert (document["subnet"], document["energy_j"]) == (best["subnet"], best["energy_j"])
    assert (document["rates"], document["convention"]) == ("measured by the search on 30 validation images", "paper")


def test_other_subnets_are_measured_now(aspk: Aspk, searched: Path) -> None:
    smallest = "(1, 2, 2, 1.4, 1.25, 2, 16)"
    assert smallest not in {str(c.subnet) for c in load_population(searched).candidates}
    before = (searched / FIRST).read_bytes()
    done = aspk("energy", "--subnet", smallest, "--json")
    assert done.document["rates"] == "measured now on 60 validation images"
    assert f"measuring {smallest}: 0/60 images" in done.stderr
    evaluated = aspk("evaluate", "--subnet", smallest, "--split", "validation", "--images", "60", "--json").document
    assert done.document["energy_j"] == evaluated["energy_j"]
    assert (searched / FIRST).read_bytes() == before


def test_a_trained_run_shows_its_baseline(aspk: Aspk, trained: Path) -> None:
    document = aspk("energy", "--json").document
    assert document["subnet"] == load_recipe("tiny.toml").baseline().to_numbers()
    assert document["rates"] == "measured now on 60 validation images"


def test_a_runs_recipe_at_one_rate(aspk: Aspk, trained: Path) -> None:
    document = aspk("energy", "--subnet", "largest", "--firing-rate", "0.3", "--json").document
    recipe = load_recipe("tiny.toml")
    model, largest = energy_model(recipe), recipe.space.search_space().largest()
    counts = OperationCounts.given(uniform_rates(0.3, model.operations(largest)))
    assert document["energy_j"] == model.from_counts(largest, counts).energy_j


def test_a_missing_run(aspk: Aspk) -> None:
    done = aspk("energy")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: there is no run under runs\n  train one first: aspk train quickstart\n"


def test_a_layer_has_one_name_in_table_chart_heat_map_csv_and_document(aspk: Aspk, searched: Path) -> None:
    pictures = ("--chart", "chart.svg", "--heatmap", "map.svg")
    document = aspk("energy", "--subnet", "largest", *pictures, "--json").document
    names = [layer["name"] for layer in document["layers"]]
    firing = [name for name in names if name != "head" and not name.endswith("q@k")]
    assert {"patch_embed.proj_conv1", "block.1.attn.q_linear", "block.1.attn.(q@k)@v", "head"} <= {*names}
    assert list(document["step_rates"]) == firing
    table = aspk("energy", "--subnet", "largest", "--ann", "--compare").stdout
    first_words = [line.split()[0] for line in table.splitlines() if line.strip()]
    assert [word for word in first_words if word in names] == [*names, *names]
    records = aspk("energy", "--subnet", "largest", "--csv").stdout.splitlines()[1:]
    assert [record.split(",")[2] for record in records] == names
    for picture, drawn in (("chart.svg", names), ("map.svg", firing)):
        axis = Path(picture).read_text().partition('<g id="matplotlib.axis_2">')[2]
        texts = re.findall(r">([^<>]+)</text>", axis)
        assert [text for text in texts if text in names][: len(drawn)] == drawn
    stages = aspk("evaluate", "--subnet", "largest", "--images", "20", "--timing", "--json").document["timing"]
    orders = {"q@k": "k@v", "(q@k)@v": "q@(k@v)"}  # the engine executes the other order here
    executed = [next((n.replace(k, o) for k, o in reversed(orders.items()) if n.endswith(f".{k}")), n) for n in names]
    assert [name for stage in stages for name in stage["layers"]] in (names, executed)
