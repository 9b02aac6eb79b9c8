"""Tables of energies as they are printed, word for word, and the CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import RenderableType

from autospikformer_cli.energy.comparison import Comparison, LayerComparison
from autospikformer_cli.energy.counts import InputRate, OperationCounts
from autospikformer_cli.energy.pricing import EnergyModel, EnergyReport, LayerEnergy
from autospikformer_cli.energy.rates import uniform_rates
from autospikformer_cli.energy.results import ConventionRow
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_profile
from autospikformer_cli.report.energy_comparison import ann_table, conventions_table
from autospikformer_cli.report.energy_csv import energy_csv
from autospikformer_cli.report.energy_layout import groups_of
from autospikformer_cli.report.energy_table import energy_table
from autospikformer_cli.report.provenance import fidelity_notes
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, operations
from autospikformer_cli.units import EnergyUnit

Render = Callable[[RenderableType, int], list[str]]


def pixels(name: str, macs: int) -> LayerEnergy:
    """A layer that multiplies real values once an image, at 4.6 pJ."""
    return LayerEnergy(name, "linear", macs, 1, None, None, None, 0.0, macs, macs * 4.6e-12, 0.0, 0.0, 0.0)


def spikes(name: str, macs: int, rate: float, nonzero: float) -> LayerEnergy:
    """A layer that accumulates spikes over 4 steps, at 0.9 pJ."""
    sops = rate * 4 * macs
    return LayerEnergy(name, "linear", macs, 4, rate, nonzero, sops, sops, 0.0, sops * 0.9e-12, 0.0, 0.0, 0.0)


LAYERS = [
    pixels("patch_embed.proj_conv", 1_000),
    spikes("patch_embed.rpe_conv", 20_000, 0.25, 0.25),
    spikes("block.0.attn.q_linear", 30_000, 1.5, 0.75),
    spikes("block.0.attn.q@k", 2_000, 0.1, 0.1),
    spikes("block.1.mlp.fc1_linear", 10_000, 0.5, 0.25),
    spikes("block.1.mlp.fc2_linear", 10_000, 0.0, 0.0),
    pixels("head", 3_840),
]


def test_energy_by_layer_with_subtotals(render: Render) -> None:
    assert render(energy_table("Energy of (2, ...)", LAYERS, ["not counted: pooling"]), 80) == [
        "Energy of (2, ...)",
        "                              Input  Non-                        Energy Share",
        "Layer                    MACs  rate  zero T   SOPs    ACs   MULs   (µJ)   (%)",
        "─────────────────────────────────────────────────────────────────────────────",
        "patch_embed.proj_conv  1.000k     –     – 1      –      0 1.000k 0.0046   2.1",
        "patch_embed.rpe_conv   20.00k 0.250 0.250 4 20.00k 20.00k      0 0.0180   8.1",
        "stem subtotal          21.00k               20.00k 20.00k 1.000k 0.0226  10.2",
        "",
        "block.0.attn.q_linear  30.00k 1.500 0.750 4 180.0k 180.0k      0 0.1620  73.3",
        "block.0.attn.q@k       2.000k 0.100 0.100 4    800    800      0 0.0007   0.3",
        "block 0 subtotal       32.00k               180.8k 180.8k      0 0.1627  73.6",
        "",
        "block.1.mlp.fc1_linear 10.00k 0.500 0.250 4 20.00k 20.00k      0 0.0180   8.1",
        "block.1.mlp.fc2_linear 10.00k 0.000 0.000 4      0      0      0 0.0000   0.0",
        "block 1 subtotal       20.00k               20.00k 20.00k      0 0.0180   8.1",
        "",
        "blocks subtotal        52.00k               200.8k 200.8k      0 0.1807  81.8",
        "",
        "head                   3.840k     –     – 1      –      0 3.840k 0.0177   8.0",
        "",
        "total                  76.84k               220.8k 220.8k 4.840k 0.2210 100.0",
        "not counted: pooling",
    ]


def test_memory_and_neurons_are_parts_of_the_energy_and_unpriced_is_no_zero(render: Render) -> None:
    unpriced = replace(LAYERS[0], compute_j=0.0, neurons_j=2e-9, unpriced=1000.0)
    spiking = replace(LAYERS[1], memory_j=30e-9, neurons_j=4e-9)
    head = replace(LAYERS[-1], compute_j=0.0, unpriced=3840.0)
    assert render(energy_table("Energy", [unpriced, spiking, head], unit=EnergyUnit("nJ", 1e-9, 1)), 100) == [
        "Energy",
        "                             Input  Non-                        Memory Neurons Energy Share",
        "Layer                   MACs  rate  zero T   SOPs    ACs   MULs   (nJ)    (nJ)   (nJ)   (%)",
        "───────────────────────────────────────────────────────────────────────────────────────────",
        "patch_embed.proj_conv 1.000k     –     – 1      –      0 1.000k    0.0     2.0      –     –",
        "patch_embed.rpe_conv  20.00k 0.250 0.250 4 20.00k 20.00k      0   30.0     4.0   52.0  96.3",
        "stem subtotal         21.00k               20.00k 20.00k 1.000k   30.0     6.0   54.0 100.0",
        "",
        "head                  3.840k     –     – 1      –      0 3.840k    0.0     0.0      –     –",
        "",
        "total                 24.84k               20.00k 20.00k 4.840k   30.0     6.0   54.0 100.0",
    ]


def numbers_of(line: str) -> list[str]:
    """The numbers of an operation or a sum; none of a line that goes on with a folded name."""
    cells = line.split()
    return [cell for cell in cells if re.fullmatch(r"[\d.]+[kMG]?", cell)] if len(cells) > 3 else []


@pytest.mark.parametrize("profile", ["cmos45", "cmos45-memory", "loihi"])
def test_the_paper_s_network_keeps_its_numbers_whole(profile: str, render: Render) -> None:
    shape = NetworkShape(image_size=32, in_channels=3, num_classes=10, widest_dim=384)
    subnet = parse_subnet("(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 16, 384)")
    counts = OperationCounts.given(uniform_rates(0.25, operations(shape, subnet)))
    model = EnergyModel(shape, shipped_convention("sound"), shipped_profile(profile))
    layers = model.from_counts(subnet, counts).layers
    layers = tuple(replace(layer, memory_j=1e-5, neurons_j=1e-5) if profile == "loihi" else layer for layer in layers)
    wide, narrow = (render(energy_table("Energy", layers), width) for width in (100, 80))
    assert max(map(len, wide)) <= 100
    assert max(map(len, narrow)) <= 80
    assert any(line.startswith("block.0.attn.proj_linear ") for line in wide), "no name folds in 100 columns"
    numbers = [[number for line in lines for number in numbers_of(line)] for lines in (wide, narrow)]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 38 * 6
    assert not any("…" in line for line in narrow)


def test_another_network_is_grouped_where_groups_help(render: Render) -> None:
    names = ["features.0", "features.3", "fc.0", "fc.1", "out", "readout"]
    layers = [spikes(name, 1_000, 0.5, 0.5) for name in names]
    lines = render(energy_table("Energy", layers), 80)
    assert [line.split("  ")[0] for line in lines[4:]] == [
        *("features.0", "features.3", "features subtotal", ""),
        *("fc.0", "fc.1", "fc subtotal", ""),
        *("out", "readout", "", "total"),
    ]
    apart = ["conv1.0", "conv1.1", "fc1", "fc2"]
    assert [(group.name, group.places) for group in groups_of(apart)] == [("", range(4))]
    assert groups_of([]) == []


def test_no_energy_at_all(render: Render) -> None:
    lines = render(energy_table("Energy", [spikes("head", 10, 0.0, 0.0)]), 80)
    assert lines[-1].split() == ["total", "10", "0", "0", "0", "0", "–"]


def test_an_energy_table_names_its_switches(render: Render) -> None:
    recipe = load_recipe("quickstart", ['energy.residual="mac"', "search.parents=20"])
    notes = fidelity_notes(recipe, verbose=True)
    lines = render(energy_table("Energy", LAYERS, notes=notes), 80)
    text = " ".join(" ".join(lines).split())
    assert 'fidelity: sound, but energy.residual = "mac" switches: model: network spikformer' in text
    assert "search.parents" not in text
    assert max(map(len, lines)) <= 80


COMPARISON = Comparison(
    (
        LayerComparison("patch_embed.proj_conv", None, 4e-9, 4e-9, 0.2e-9, None, unpriced=False),
        LayerComparison("patch_embed.rpe_conv", 0.25, 18e-9, 92e-9, 4.6e-9, 1.278, unpriced=False),
        LayerComparison("head", None, 8e-9, 8e-9, 0.4e-9, None, unpriced=False),
    ),
    energy_j=30e-9,
    energy_int8_j=6e-9,
    ann_j=104e-9,
    ann_int8_j=5.2e-9,
    mean_rate=InputRate(0.3, 0.2),
    weighted_rate=0.25,
    break_even_rate=1.2,
)


def test_the_ann_beside_the_spiking_network(render: Render) -> None:
    assert render(ann_table("Energy and ANN", COMPARISON, ["a note"], paper_ann_j=90e-9), 80) == [
        "Energy and ANN",
        "                          Input  Break-  Spiking      ANN  ANN 8-bit        ×",
        "Layer                      rate    even     (µJ)     (µJ)       (µJ)  spiking",
        "─────────────────────────────────────────────────────────────────────────────",
        "patch_embed.proj_conv         –       –  0.00400  0.00400    0.00020     1.00",
        "patch_embed.rpe_conv      0.250   1.278  0.01800  0.09200    0.00460     5.11",
        "",
        "head                          –       –  0.00800  0.00800    0.00040     1.00",
        "",
        "total                     0.250   1.200  0.03000  0.10400    0.00520     3.47",
        "",
        "spiking                                  0.03000                         1.00",
        "spiking, 8-bit weights                   0.00600                         0.20",
        "ANN (Equation 4)                                  0.10400                3.47",
        "ANN, 8 bits                                                  0.00520     0.17",
        "ANN, as the paper prints                          0.09000                3.00",
        "× spiking: the ANN's energy, or the line's, as a multiple of the spiking",
        "network's",
        "total: the input rate is the mean weighted by cost; below break-even, spikes",
        "cost less than the ANN",
        "a note",
    ]


def test_an_ann_without_figures_has_dashes(render: Render) -> None:
    layers = [replace(layer, ann_j=None, ann_int8_j=None, break_even_rate=None) for layer in COMPARISON.layers]
    layers[0] = replace(layers[0], energy_j=0.0, unpriced=True)
    nothing = replace(
        COMPARISON, layers=tuple(layers), energy_int8_j=None, ann_j=None, ann_int8_j=None, break_even_rate=None
    )
    cells = [line.split() for line in render(ann_table("Energy", nothing), 80)]
    assert ["patch_embed.proj_conv", *"––––––"] in cells
    assert ["patch_embed.rpe_conv", "0.250", "–", "18.000", "–", "–", "–"] in cells
    assert ["spiking", "30.000", "1.00"] in cells
    assert ["ANN", "(Equation", "4)", "–", "–"] in cells
    assert not any("paper" in line for line in cells)


def report(layers: list[LayerEnergy]) -> EnergyReport:
    return EnergyReport(tuple(layers), 1)


def test_conventions_side_by_side(render: Render) -> None:
    rows = [
        ConventionRow("sound", "pixels once", report(LAYERS)),
        ConventionRow("exact", "as executed", None, "the events of head were not counted"),
        ConventionRow("paper", "no classifier", report(LAYERS[:-1])),
        ConventionRow("double", "", report([replace(layer, compute_j=2 * layer.compute_j) for layer in LAYERS])),
    ]
    assert render(conventions_table("By convention", rows, ["a note"]), 80) == [
        "By convention",
        "                                       Stem   Blocks     Head   Energy      ×",
        "Convention    SOPs     ACs    MULs     (µJ)     (µJ)     (µJ)     (µJ)  sound",
        "─────────────────────────────────────────────────────────────────────────────",
        "sound       220.8k  220.8k  4.840k  0.02260  0.18072  0.01766  0.22098   1.00",
        "exact            –       –       –        –        –        –        –      –",
        "paper       220.8k  220.8k  1.000k  0.02260  0.18072        –  0.20332   0.92",
        "double      220.8k  220.8k  4.840k  0.04520  0.36144  0.03533  0.44197   2.00",
        "spread: most / least = 2.17 (double 0.44197 µJ, paper 0.20332 µJ)",
        "sound: pixels once",
        "exact: as executed",
        "paper: no classifier",
        "exact is not counted: the events of head were not counted",
        "a note",
    ]


def test_conventions_of_another_network_have_no_parts_and_name_what_is_not_priced(render: Render) -> None:
    layers = [replace(pixels("conv1", 100), compute_j=0.0, unpriced=100.0), spikes("fc1", 1_000, 0.5, 0.5)]
    rows = [
        ConventionRow("none", "", report(layers[:1])),
        ConventionRow("sound", "", report(layers)),
    ]
    lines = render(conventions_table("By convention", rows), 80)
    assert lines[1].split() == ["Energy", "×"]
    assert [line.split() for line in lines[4:6]] == [
        ["none", "–", "0", "100", "–", "–"],
        ["sound", "2.000k", "2.000k", "100", "1.8000", "1.00"],
    ]
    caption = "operations whose multiplications have no figure, and are in no energy here: none 1, sound 1"
    assert " ".join(" ".join(lines[6:]).split()) == caption


def test_csv_holds_every_field_exactly() -> None:
    layers = [replace(LAYERS[0], name='conv "1", first', compute_j=0.0, memory_j=1e-9, unpriced=1000.0), LAYERS[1]]
    text = energy_csv(layers, "sound", "loihi")
    assert text.count("\r\n") == 3
    first, second = csv.DictReader(StringIO(text, newline=""), strict=True)
    assert first["name"] == 'conv "1", first'
    empty = {name for name, value in first.items() if value == ""}
    assert empty == {"input_rate", "nonzero_rate", "sops", "compute_j", "energy_j", "share"}
    assert (first["memory_j"], first["unpriced"], first["multiplies"]) == ("1e-09", "1000.0", "1000")
    assert (second["convention"], second["profile"], second["macs"]) == ("sound", "loihi", "20000")
    assert float(second["energy_j"]) == LAYERS[1].energy_j
    assert float(second["share"]) == LAYERS[1].energy_j / (LAYERS[1].energy_j + 1e-9)
