"""Tables as they are printed, word for word."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import RenderableType

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.measurement import Candidate, Measurement, Provenance, SpikeCount
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.report.evaluation_table import evaluation_table
from autospikformer_cli.report.redundancy_table import redundancy_table
from autospikformer_cli.report.rows import CandidateRow, candidate_row, top_accuracy
from autospikformer_cli.report.tables import candidate_table
from autospikformer_cli.runs.evaluation import EvaluationResult
from autospikformer_cli.runs.redundancy import Redundancy
from autospikformer_cli.search.fitness import Fitness
from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.store.evaluations import Evaluation, FineTuning

Render = Callable[[RenderableType, int], list[str]]


@pytest.fixture(scope="module")
def rows(archive: list[Candidate], fitness: Fitness) -> list[CandidateRow]:
    return [candidate_row(scored) for scored in fitness.score(archive).ranked]


@pytest.fixture(scope="module")
def baseline_row(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> CandidateRow:
    scored = fitness.of_outsider(baseline, fitness.score(archive))
    assert scored is not None
    return candidate_row(scored, "Spikformer 4-384")


def test_candidates_at_80_columns(rows: list[CandidateRow], baseline_row: CandidateRow, render: Render) -> None:
    assert render(candidate_table("Candidates of S_T", rows, baseline_row), 80) == [
        "Candidates of S_T",
        "                                       Energy",
        "Id  Candidates                     Fr    (mJ)            Acc (%)   Params  F_AEB",
        "────────────────────────────────────────────────────────────────────────────────",
        "c0  (2, 3.8, 3.6, 12, 12, 1.4,  0.160  0.5050  80.00 (76.3–83.3)  4.684 M  0.940",
        "    2, 5, 2, 4, 348)",
        "c1  (2, 3.2, 3, 12, 6, 1.2, 1,  0.152  0.4480  76.00 (72.1–79.5)  4.684 M  0.667",
        "    5, 5, 4, 348)",
        "c2  (3, 3.2, 3.6, 3.2, 6, 12,   0.148  0.9250  74.00 (70.0–77.7)  4.684 M  0.000",
        "    6, 1.4, 1.8, 0.8, 3, 5, 5,",
        "    4, 480)",
        "",
        "*   (4, 4, 4, 4, 4, 12, 12,     0.156  0.9500  78.00 (74.2–81.4)  4.684 M  0.307",
        "    12, 12, 1, 1, 1, 1, 2, 2,",
        "    2, 2, 4, 384)",
        "* Spikformer 4-384; bold: less energy and higher accuracy than it (1 of 3)",
    ]


def test_bold_where_both_are_better(rows: list[CandidateRow], baseline_row: CandidateRow) -> None:
    assert [row.beats(baseline_row) for row in rows] == [True, False, False]
    assert not rows[0].beats(None)
    table = candidate_table("Candidates", rows, baseline_row)
    energies = list(table.columns[3].cells)
    accuracies = list(table.columns[4].cells)
    assert [getattr(cell, "style", None) for cell in energies] == ["bold", "", "", ""]
    assert [getattr(cell, "style", None) for cell in accuracies] == ["bold", "", "", ""]
    assert [table.columns[0]._cells[-1].plain] == ["*"]  # type: ignore[union-attr]


def test_no_table_is_wider_than_100_columns(
    rows: list[CandidateRow], baseline_row: CandidateRow, render: Render
) -> None:
    table = candidate_table("Candidates", rows, baseline_row)
    assert max(len(line) for line in render(table, 200)) == 100
    assert max(len(line) for line in render(table, 80)) <= 80


def test_the_top_accuracy_is_a_fifth_at_most_ten(archive: list[Candidate], fitness: Fitness) -> None:
    ranked = fitness.score(archive).ranked
    assert [scored.id for scored in top_accuracy(ranked)] == ["c0"]
    assert [scored.id for scored in top_accuracy(ranked, share=1.0)] == ["c0", "c1", "c2"]
    assert [scored.id for scored in top_accuracy(ranked, share=1.0, limit=2)] == ["c0", "c1"]
    assert top_accuracy(()) == []


def test_the_front_leaves_out_what_is_dominated(archive: list[Candidate], fitness: Fitness) -> None:
    assert [scored.id for scored in pareto_front(fitness.score(archive).ranked)] == ["c1", "c0"]


MEASURED = Measurement(350, 360, 120_400, (), (SpikeCount("lif", (720, 720, 720, 720), 10),), 0)


def evaluation_of(recipe: Recipe, tuning: FineTuning | None = None) -> EvaluationResult:
    """A result under a recipe. Who measured it, and every image's prediction, are not shown."""
    obtained = Provenance("test", "", 360, "", 0, recipe.model.batchnorm, "sound", "", "float32", "cpu", 1)
    obtained = replace(obtained, engine="event_driven")
    subnet = parse_subnet("(1, 4, 2, 1, 2, 4, 32)")
    stored = Evaluation(subnet, "test", obtained, MEASURED, tuning, "2026-11-28", recipe.to_toml())
    unused: Any = None
    return EvaluationResult(stored, recipe, 5.5e-6, 2_500_000.25, "", unused, unused)


EVALUATION = evaluation_of(load_recipe("quickstart"))


def test_an_evaluation(render: Render) -> None:
    assert render(evaluation_table("Evaluation of best", [EVALUATION]), 80)[:14] == [
        "Evaluation of best",
        "                        inherited",
        "──────────────────────────────────────────────",
        "Candidate               (1, 4, 2, 1, 2, 4, 32)",
        "Acc (%), 95 % interval  97.22 (95.0–98.5)",
        "Correct                 350 of 360 test images",
        "Energy an image         5.500 µJ",
        "Params                  120.4 k",
        "Firing rate             0.200",
        "Synaptic events         2.500 M an image",
        "Engine                  event_driven",
        "BatchNorm               recalibrate",
        "Silent channels         0",
        "Fidelity                sound",
    ]


def test_an_evaluation_names_its_switches_and_the_batch_that_it_depends_on(render: Render) -> None:
    recipe = load_recipe("quickstart", ['fidelity="authors"', "search.alpha=0.25", "model.detach_reset=false"])
    authors, tuned = evaluation_of(recipe), evaluation_of(recipe, FineTuning(2, False, ""))
    short = " ".join(" ".join(render(evaluation_table("Evaluation of best", [authors, tuned]), 80)).split())
    differing = "detach_reset false, threshold_scope fc1, searched_heads false, batchnorm batch"
    assert short.endswith(f"switches: by default, but model: evaluation_batch 512, {differing} (--verbose lists all)")
    lines = render(evaluation_table("Evaluation of best", [authors, tuned], verbose=True), 80)
    text = " ".join(" ".join(lines).split())
    assert "statistics of each batch of 360" in " ".join(line[24:50].strip() for line in lines)
    assert "authors, but model.de" in text
    assert "search.alpha" not in text
    assert text.count("switches: model: network spikformer") == 1
    assert text.endswith("batchnorm batch; energy: convention sound, profile cmos45, first_layer_steps once, "
                         "residual ac, order qk_v, "
                         "event_input ac, rate layer, border ignored, batchnorm_folded true, head true")  # fmt: skip
    assert max(map(len, lines)) <= 80
    document = json.loads(json.dumps(authors.to_document()))
    assert document["switches"] == ["model.detach_reset = false", "search.alpha = 0.25"]
    assert document["resolved"] == recipe.resolved_switches()


def test_an_evaluation_as_json() -> None:
    document = EVALUATION.to_document()
    interval = document.pop("top1_interval")
    assert interval == pytest.approx([94.96, 98.48], abs=0.01)
    assert document == {
        "weights": "inherited",
        "subnet": [1, 4, 2, 1, 2, 4, 32],
        "split": "test",
        "images": 360,
        "top1": 100 * 350 / 360,
        "params": 120_400,
        "energy_j": 5.5e-6,
        "firing_rate": 0.2,
        "synaptic_events": 2_500_000.25,
        "engine": "event_driven",
        "batchnorm": "recalibrate",
        "fidelity": "sound",
        "switches": ["search.parents = 10"],
        "resolved": load_recipe("quickstart").resolved_switches(),
        "silent_channels": 0,
        "selected_on": None,
    }


def test_redundant_channels_each_from_the_extreme(render: Render) -> None:
    ssim = [0.5] * 41
    for channel, value in {3: 0.5, 40: 0.75, 9: 0.125, 8: 0.0625, 1: 0.25}.items():
        ssim[channel] = value
    images: Any = ImageSet(torch.zeros(7, 1, 1, 1), torch.zeros(7), torch.zeros(7), "validation", "")
    subnet, recipe = parse_subnet("(1, 4, 2, 1, 2, 4, 41)"), load_recipe("quickstart")
    found = Redundancy(subnet, images, "event_driven", recipe, tuple(ssim), (40, 3), (8, 9, 1))
    assert render(redundancy_table(found), 80)[:9] == [
        "Redundancy of the embedding of (1, 4, 2, 1, 2, 4, 41)",
        "      Most redundant             Least redundant",
        "Rank         channel  Mean SSIM          channel  Mean SSIM",
        "───────────────────────────────────────────────────────────",
        "   1              40     0.7500                8     0.0625",
        "   2               3     0.5000                9     0.1250",
        "   3                                           1     0.2500",
        "mean over all 41 channels: 0.480; 7 validation images",
        "SSIM: rate maps over T, data range 1, 7 x 7 uniform window",
    ]
