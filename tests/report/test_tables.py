"""Tables as they are printed, word for word."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import RenderableType

from autospikformer_cli.analysis.channel_order import channel_order
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.measurement import Candidate, Measurement, Provenance, SpikeCount, StoredObjective, SynapseCount
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.report.evaluation_table import evaluation_table
from autospikformer_cli.report.redundancy_table import redundancy_table
from autospikformer_cli.report.rows import (
    CandidateRow,
    accurate_share,
    candidate_row,
    row_of_alike,
    ties_text,
    top_accuracy,
)
from autospikformer_cli.report.tables import CandidateTable
from autospikformer_cli.runs.evaluation import EvaluationResult
from autospikformer_cli.runs.redundancy import Redundancy
from autospikformer_cli.search.alike import different
from autospikformer_cli.search.fitness import Fitness, Scored
from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.search.objectives import stand_in
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


def test_candidates_at_100_columns(rows: list[CandidateRow], baseline_row: CandidateRow, render: Render) -> None:
    assert render(CandidateTable("Candidates of S_T", rows, baseline_row), 100) == [
        "Candidates of S_T",
        "                                                           Energy",
        "Id    Candidates                                       Fr    (mJ)            Acc (%)   Params  F_AEB",
        "────────────────────────────────────────────────────────────────────────────────────────────────────",
        "c0 ?  (2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348)   0.160  0.5050  80.00 (76.3–83.3)  4.684 M  0.940",
        "c1 ?  (2, 3.2, 3, 12, 6, 1.2, 1, 5, 5, 4, 348)      0.152  0.4480  76.00 (72.1–79.5)  4.684 M  0.667",
        "c2 ?  (3, 3.2, 3.6, 3.2, 6, 12, 6, 1.4, 1.8, 0.8,   0.148  0.9250  74.00 (70.0–77.7)  4.684 M  0.000",
        "      3, 5, 5, 4, 480)",
        "",
        "*     (4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1,   0.156  0.9500  78.00 (74.2–81.4)  4.684 M  0.307",
        "      2, 2, 2, 2, 4, 384)",
        "* Spikformer 4-384",
        "less energy than *: 3 of 3",
        "? accuracy not tested: answers by image are not stored",
    ]


def test_two_blocks_take_one_line_at_80_columns_and_two_at_60(
    rows: list[CandidateRow], baseline_row: CandidateRow, render: Render
) -> None:
    two_blocks = replace(baseline_row, subnet=rows[0].subnet)
    table = CandidateTable("Candidates of S_T", rows[:2], two_blocks)
    assert render(table, 80) == [
        "Candidates of S_T",
        "                                         Energy",
        "Id    Candidates                           (mJ)        Acc (%)   Params  F_AEB",
        "──────────────────────────────────────────────────────────────────────────────",
        "c0 ?  (2,3.8,3.6,12,12,1.4,2,5,2,4,348)  0.5050  80.00 (76–83)  4.684 M  0.940",
        "c1 ?  (2,3.2,3,12,6,1.2,1,5,5,4,348)     0.4480  76.00 (72–80)  4.684 M  0.667",
        "",
        "*     (2,3.8,3.6,12,12,1.4,2,5,2,4,348)  0.9500  78.00 (74–81)  4.684 M  0.307",
        "* Spikformer 4-384",
        "less energy than *: 2 of 2",
        "? accuracy not tested: answers by image are not stored",
        "not shown at this width: Fr",
    ]
    assert render(table, 60) == [
        "Candidates of S_T",
        "                            Energy",
        "Id    Candidates              (mJ)            Acc (%)  F_AEB",
        "────────────────────────────────────────────────────────────",
        "c0 ?  (2,3.8,3.6,12,12,     0.5050  80.00 (76.3–83.3)  0.940",
        "      1.4,2,5,2,4,348)",
        "c1 ?  (2,3.2,3,12,6,1.2,1,  0.4480  76.00 (72.1–79.5)  0.667",
        "      5,5,4,348)",
        "",
        "*     (2,3.8,3.6,12,12,     0.9500  78.00 (74.2–81.4)  0.307",
        "      1.4,2,5,2,4,348)",
        "* Spikformer 4-384",
        "less energy than *: 2 of 2",
        "? accuracy not tested: answers by image are not stored",
        "not shown at this width: Fr, Params",
    ]


def test_objectives_of_plugins_have_a_column_each(
    rows: list[CandidateRow], baseline_row: CandidateRow, render: Render
) -> None:
    """A narrow console leaves them out after all others."""
    stored = [
        StoredObjective("latency", "latency on a chip", "ms", "less", 0.0),
        StoredObjective("Fr", "area", "", "less", 0.0),
    ]
    given: list[Mapping[str, float]] = [{"latency": 1.25, "Fr": 123_456.0}, {"latency": nan}]
    two = [replace(row, plugin_values=values) for row, values in zip(rows, given, strict=False)]
    two_blocks = replace(baseline_row, subnet=rows[0].subnet, plugin_values={"latency": 2.0, "Fr": 0.5})
    table = CandidateTable("Candidates", two, two_blocks, objectives=[stand_in(each) for each in stored])
    assert render(table, 100)[1:9] == [
        "                                                                    latency on a",
        "                                         Energy                             chip",
        "Id    Candidates                           (mJ)            Acc (%)          (ms)     area  F_AEB",
        "────────────────────────────────────────────────────────────────────────────────────────────────",
        "c0 ?  (2,3.8,3.6,12,12,1.4,2,5,2,4,348)  0.5050  80.00 (76.3–83.3)          1.25  123,456  0.940",
        "c1 ?  (2,3.2,3,12,6,1.2,1,5,5,4,348)     0.4480  76.00 (72.1–79.5)             –        –  0.667",
        "",
        "*     (2,3.8,3.6,12,12,1.4,2,5,2,4,348)  0.9500  78.00 (74.2–81.4)             2      0.5  0.307",
    ]
    assert render(table, 80)[2] == "Id    Candidates                           (mJ)        Acc (%)     area  F_AEB"
    assert render(table, 80)[-1] == "not shown at this width: Fr, latency on a chip (ms), Params"


def test_what_is_marked(rows: list[CandidateRow], baseline_row: CandidateRow) -> None:
    """Answers of 500 images, packed as in a Measurement: the baseline knows the last 390."""
    numbers = {400: (1 << 400) - 1, 390: (1 << 390) - 1}
    packed = {num: bits.to_bytes(63) for num, bits in numbers.items()}
    baseline = replace(baseline_row, answers=packed[390])
    better = replace(rows[0], answers=packed[400])
    assert better.mark(baseline) == "+"
    disjoint = ((1 << 400) - 1) << 100
    assert replace(rows[0], answers=disjoint.to_bytes(63)).mark(baseline) == "~"
    assert rows[0].mark(baseline) == "?", "answers are not stored"
    assert replace(rows[0], printed=True).mark(baseline) == "", "the paper's figures"
    assert replace(baseline, energy_j=0.0).mark(baseline) == "~", "equal answers at less energy"
    worse = replace(rows[0], top1=76.0, answers=((1 << 380) - 1).to_bytes(63))
    assert worse.mark(baseline) == "-"
    assert replace(better, energy_j=2 * baseline.energy_j).mark(baseline) == "+", "a mark is of the accuracy alone"
    assert better.mark(None) == ""


def test_a_win_is_bold_and_marked(rows: list[CandidateRow], baseline_row: CandidateRow) -> None:
    packed = {num: ((1 << num) - 1).to_bytes(63) for num in (370, 380, 390, 400)}
    known = [replace(row, answers=packed[num]) for row, num in zip(rows, (400, 380, 370), strict=True)]
    table = CandidateTable("Candidates", known, replace(baseline_row, answers=packed[390])).table()
    styles = {column.header: [getattr(cell, "style", None) for cell in column.cells] for column in table.columns}
    assert styles["Energy\n(mJ)"] == ["bold", "", "", ""]
    assert styles["Acc (%)"] == ["bold", "", "", ""]
    assert [getattr(cell, "plain", "") for cell in table.columns[0].cells] == ["c0 +", "c1 -", "c2 -", "*"]


def test_equal_candidates_are_one_line(
    archive: list[Candidate], baseline_row: CandidateRow, fitness: Fitness, render: Render
) -> None:
    twin = replace(archive[0], id="c9", subnet=parse_subnet("(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 3, 4, 348)"))
    found = different(fitness.score([*archive, twin]).ranked)
    assert [alike.ids for alike in found] == [("c0", "c9"), ("c1",), ("c2",)]
    lines = render(CandidateTable("Candidates", [row_of_alike(alike) for alike in found], baseline_row), 100)
    assert [line.split("(")[0].strip() for line in lines if line.startswith("c")] == ["c0 x2 ?", "c1 ?", "c2 ?"]
    assert "x2: two candidates that agree in every measured number; --json lists them" in lines


def test_candidates_that_only_look_equal_stay_two_lines_and_are_told(archive: list[Candidate], render: Render) -> None:
    """With 2 and with 4 heads, all is equal but the events of attention, which are not priced."""
    measured = replace(archive[0].measurement, answers=b"\xff")
    events = [SynapseCount("block.0.attn.(q@k)@v", (each,), (each,)) for each in (846, 670)]
    subnets = [parse_subnet(f"(1, 2, {heads}, 1.4, 5, 2, 40)") for heads in (2, 4)]
    found = [
        Scored(Candidate(name, subnet, 0, replace(measured, synapses=(each,))), 97.21, 3.9e-7, 0.5)
        for name, subnet, each in zip(("c0734", "c0685"), subnets, events, strict=True)
    ]
    alike = different(found)
    assert [each.ids for each in alike] == [("c0734",), ("c0685",)]
    text = " ".join(" ".join(render(CandidateTable("T", [row_of_alike(each) for each in alike]), 100)).split())
    assert "c0734, c0685: equal numbers, but other counts, which other rules may price" in text
    one = different(
        [found[0], replace(found[1], candidate=replace(found[1].candidate, measurement=found[0].candidate.measurement))]
    )
    assert [each.ids for each in one] == [("c0734", "c0685")]
    assert "other counts" not in " ".join(render(CandidateTable("T", [row_of_alike(each) for each in one]), 100))


def test_no_table_is_wider_than_100_columns(
    rows: list[CandidateRow], baseline_row: CandidateRow, render: Render
) -> None:
    table = CandidateTable("Candidates", rows, baseline_row)
    assert max(len(line) for line in render(table, 200)) == 100
    assert max(len(line) for line in render(table, 80)) <= 80


def test_the_top_accuracy_is_a_fifth_at_most_ten(archive: list[Candidate], fitness: Fitness) -> None:
    found = different(fitness.score(archive).ranked)
    assert [alike.best.id for alike in top_accuracy(found)] == ["c0"]
    assert [alike.best.id for alike in accurate_share(found, share=1.0)[0]] == ["c0", "c1", "c2"]
    assert top_accuracy(()) == []


def test_ties_of_the_top_accuracy_are_treated_alike(archive: list[Candidate], fitness: Fitness) -> None:
    """The share ends among equal accuracies: all of these belong to it, and a shorter table counts the rest."""
    first, other, last = different(fitness.score(archive).ranked)
    tied = [
        replace(first, best=replace(first.best, candidate=replace(first.best.candidate, id=f"t{number}")))
        for number in range(4)
    ]
    found = [other, *tied, last]
    accurate, is_exact = accurate_share(found)
    assert [alike.best.id for alike in accurate] == ["t0", "t1", "t2", "t3"]
    assert not is_exact
    assert accurate_share([first, other, last]) == ([first], True)
    assert [alike.best.id for alike in top_accuracy(found, limit=3)] == ["t0", "t1", "t2"]
    assert ties_text(found, limit=3) == f"left out: 1 more with {first.top1:.2f} %, which need as much energy or more"
    assert ties_text(found, limit=4) is None


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
    return EvaluationResult(stored, recipe, 5.5e-6, 2_500_000.25, "", unused, unused, "runs/x")


EVALUATION = evaluation_of(load_recipe("quickstart"))


def test_an_evaluation(render: Render) -> None:
    assert render(evaluation_table("Evaluation of best", [EVALUATION]), 80)[:15] == [
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
        "Silent layers           none",
        "Fidelity                sound",
    ]


def test_an_evaluation_names_its_switches_and_the_batch_that_it_depends_on(render: Render) -> None:
    recipe = load_recipe("quickstart", ['fidelity="authors"', "search.alpha=0.25", "model.detach_reset=false"])
    authors, tuned = evaluation_of(recipe), evaluation_of(recipe, FineTuning(2, False, ""))
    short = " ".join(" ".join(render(evaluation_table("Evaluation of best", [authors, tuned]), 80)).split())
    differing = "detach_reset false, threshold_scope fc1, searched_heads false, batchnorm batch"
    assert short.endswith(
        f"switches: all at their defaults, except model: evaluation_batch 512, {differing} (--verbose lists all)"
    )
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
        "origin": "runs/x",
        "remarks": [],
        "weights": "inherited",
        "subnet": [1, 4, 2, 1, 2, 4, 32],
        "split": "test",
        "images": 360,
        "top1": 100 * 350 / 360,
        "params": 120_400,
        "energy_j": 5.5e-6,
        "unpriced": [],
        "firing_rate": 0.2,
        "synaptic_events": 2_500_000.25,
        "engine": "event_driven",
        "batchnorm": "recalibrate",
        "calibration_images": None,
        "fidelity": "sound",
        "switches": ["search.parents = 10"],
        "resolved": load_recipe("quickstart").resolved_switches(),
        "silent_channels": 0,
        "silent_layers": [],
        "silent_blocks": [],
        "selected_on": None,
    }


def test_redundant_channels_each_from_the_extreme(render: Render) -> None:
    ssim = [0.5] * 41
    for channel, value in {3: 0.5, 40: 0.75, 9: 0.125, 8: 0.0625, 1: 0.25}.items():
        ssim[channel] = value
    images: Any = ImageSet(torch.zeros(7, 1, 1, 1), torch.zeros(7), torch.zeros(7), "validation", "")
    subnet, recipe = parse_subnet("(1, 4, 2, 1, 2, 4, 41)"), load_recipe("quickstart")
    found = Redundancy(
        subnet=subnet, images=images, engine="event_driven", recipe=recipe, matrix=np.eye(41), mean_ssim=tuple(ssim),
        order=channel_order(ssim), most=(40, 3), least=(8, 9, 1), origin="runs/x", shares_channels=True,
    )  # fmt: skip
    assert render(redundancy_table(found), 80)[:18] == [
        "Redundancy of the embedding of (1, 4, 2, 1, 2, 4, 41)",
        "runs/x",
        "      Most redundant             Least redundant",
        "Rank         channel  Mean SSIM          channel  Mean SSIM",
        "───────────────────────────────────────────────────────────",
        "   1              40     0.7500                8     0.0625",
        "   2               3     0.5000                9     0.1250",
        "   3                                           1     0.2500",
        "The paper's claim, \"most of the redundant channels are found at higher-order",
        'channels", is confirmed in this network',
        "Kendall's tau-b of channel and mean SSIM 0.338: p = 0.0025 that higher channels",
        "are more redundant, p = 1 that lower ones are (exact permutation tests,",
        "one-sided)",
        "mean SSIM 0.447 in the lower half of the channels, 0.512 in the upper",
        "subnets share their first channels, so the supernet trains lower channels more",
        "often",
        "mean over all 41 channels: 0.480; 7 validation images",
        "SSIM: rate maps over T, data range 1, 7 x 7 uniform window or the whole map",
    ]
