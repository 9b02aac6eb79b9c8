"""The report of a search: as text, and as a JSON document."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import nan

import pytest
from rich.console import RenderableType

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.report.document import search_document
from autospikformer_cli.report.paper import paper_table
from autospikformer_cli.report.provenance import Provenance, provenance_panel
from autospikformer_cli.report.search_report import search_report
from autospikformer_cli.search.fitness import Bounds, Fitness

Render = Callable[[RenderableType, int], list[str]]

PROVENANCE = Provenance(
    dataset="cifar100",
    split="validation",
    images=500,
    batchnorm="recalibrate",
    calibration_images=256,
    fidelity="sound",
    energy_profile="cmos45",
    energy_convention="sound",
    algorithm="evolution",
    alpha=0.5,
    normalise="archive",
    bounds=Bounds((74.0, 80.0), (448e-6, 925e-6)),
    seed=7,
    epochs=15,
    engine="event_driven",
    note="the space has only 3 subnets: all were measured",
)


def test_how_numbers_were_obtained(render: Render) -> None:
    assert render(provenance_panel(PROVENANCE), 100) == [
        "╭─ How these numbers were obtained ───────────────────────────────────────────────╮",
        "│ accuracy   500 validation images of cifar100; interval: 95 %, binomial (Wilson) │",
        "│ BatchNorm  recalibrate on 256 training images                                   │",
        "│ energy     joules an image, profile cmos45, convention sound                    │",
        "│ fidelity   sound                                                                │",
        "│ F_AEB      alpha 0.5 (1 - energy) + 0.5 accuracy, min-max scaled (archive)      │",
        "│ bounds     accuracy 74.00 to 80.00 %, energy 0.4480 to 0.9250 mJ                │",
        "│ search     evolution, seed 7                                                    │",
        "│ engine     event_driven                                                         │",
        "│ weights    inherited from a supernet of 15 epochs, not retrained                │",
        "│ note       the space has only 3 subnets: all were measured                      │",
        "╰─────────────────────────────────────────────────────────────────────────────────╯",
    ]


def test_what_does_not_apply_is_not_claimed(render: Render) -> None:
    shown = replace(PROVENANCE, calibration_images=None, batchnorm="batch", bounds=None, epochs=None, note="")
    text = "\n".join(render(provenance_panel(shown), 100))
    assert "BatchNorm  batch (statistics of each batch: results depend on its size)  " in text
    assert "bounds     each generation's own" in text
    assert "weights" not in text
    assert "note" not in text


RESOLVED = load_recipe("quickstart").resolved_switches()


def test_switches_are_listed_and_what_differs_is_named(render: Render) -> None:
    switches = ("search.parents = 10", 'energy.residual = "mac"')
    shown = replace(PROVENANCE, switches=switches, resolved={**RESOLVED, "energy.residual": "mac"})
    lines = render(provenance_panel(shown), 80)
    text = " ".join(" ".join(line.strip("│ ") for line in lines).split())
    assert 'fidelity sound, but search.parents = 10, energy.residual = "mac" F_AEB' in text
    assert "switches model: network spikformer, neuron lif, attention_scale 0.125," in text
    assert "decay_input true, fires_at reach, stem_threshold 1.0" in text
    assert "; search: split validation, alpha 0.5, normalise archive, parents 10," in text
    assert "energy: convention sound, profile cmos45, first_layer_steps once, residual mac, order qk_v, " in text
    assert "rate layer, border ignored, batchnorm_folded true, head true note" in text
    assert max(map(len, lines)) <= 80
    assert max(len(line) for line in render(provenance_panel(shown), 200)) == 100
    document = shown.to_document()
    assert (document["fidelity"], document["switches"]) == ("sound", switches)
    assert document["resolved"] == {**RESOLVED, "energy.residual": "mac"}


@pytest.mark.parametrize(("images", "batch"), [(600, 512), (20, 20)])
def test_results_that_depend_on_the_batch_size_say_so(images: int, batch: int, render: Render) -> None:
    shown = replace(PROVENANCE, images=images, batchnorm="batch", calibration_images=None, resolved=RESOLVED)
    text = "\n".join(render(provenance_panel(shown), 100))
    assert f"BatchNorm  batch (statistics of each batch of {batch} images: results depend on its size)" in text


def test_a_report_holds_front_top_correlation_paper_and_provenance(
    archive: list[Candidate], baseline: Candidate, fitness: Fitness, render: Render
) -> None:
    scores = fitness.score(archive)
    report = search_report(scores, fitness.of_outsider(baseline, scores), PROVENANCE, paper_table("small"))
    lines = render(report, 80)
    titles = [line for line in lines if line.startswith(("Pareto front", "Top", "Kendall", "Paper, ", "╭"))]
    assert [title.rstrip("─╮ ") for title in titles] == [
        "Pareto front: 2 of 3 candidates",
        "Top accuracy: 1 of 3 candidates",
        "Kendall's tau between accuracy and energy: -0.33 over 3 candidates",
        "Paper, Table 3A, candidates of S_Ts: Pareto frontier",
        "Paper, Table 3A, candidates of S_Ts: top accuracy",
        "╭─ How these numbers were obtained",
    ]
    assert max(map(len, lines)) <= 80
    assert "(µJ)" not in "".join(lines)


def test_a_report_of_nothing_and_of_rejected_candidates(archive: list[Candidate], render: Render) -> None:
    hopeless = Fitness(0.5, "archive", lambda candidate: nan)
    text = "\n".join(render(search_report(hopeless.score(archive), None, PROVENANCE), 100))
    assert "Pareto front: 0 of 0 candidates" in text
    assert "Kendall's tau between accuracy and energy: undefined over 0 candidates" in text
    assert "Rejected: 3 (c0, c1, c2): energy is not finite (nan)" in text


def test_the_document(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> None:
    scores = fitness.score(archive)
    document = json.loads(json.dumps(search_document(scores, fitness.of_outsider(baseline, scores), PROVENANCE)))
    assert list(document) == [
        "candidates", "pareto", "baseline", "kendall_tau", "hypervolume", "alpha", "bounds", "generation_bounds",
        "rejected", "provenance",
    ]  # fmt: skip
    assert [candidate["id"] for candidate in document["candidates"]] == ["c0", "c1", "c2"]
    assert document["pareto"] == ["c1", "c0"]
    first = document["candidates"][0]
    assert first == {
        "id": "c0",
        "subnet": [2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348],
        "top1": 80.0,
        "top1_interval": pytest.approx([76.28, 83.27], abs=0.01),
        "energy_j": pytest.approx(505e-6),
        "params": 4_684_000,
        "fitness": pytest.approx(0.5 * (1 - 57 / 477) + 0.5),
        "generation": 0,
        "firing_rate": pytest.approx(0.16),
        "silent_channels": 0,
        "correct": 400,
        "images": 500,
    }
    assert document["baseline"]["id"] == "baseline"
    assert set(document["baseline"]) == set(first)
    assert document["baseline"]["fitness"] == pytest.approx(0.5 * (1 - 502 / 477) + 0.5 * 4 / 6)
    assert document["kendall_tau"] == pytest.approx(-1 / 3)
    assert document["alpha"] == 0.5
    assert document["bounds"] == {"top1": [74.0, 80.0], "energy_j": pytest.approx([448e-6, 925e-6])}
    assert document["generation_bounds"] is None
    assert document["rejected"] == []
    assert document["provenance"]["seed"] == 7


def test_what_is_undefined_is_null(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> None:
    by_generation = replace(fitness, normalise="generation")
    scores = by_generation.score(archive)
    outsider = by_generation.of_outsider(baseline, scores)
    document = json.loads(json.dumps(search_document(scores, outsider, PROVENANCE)))
    assert document["bounds"] is None
    assert set(document["generation_bounds"]) == {"0", "1"}
    assert document["baseline"]["fitness"] is None
    alone = search_document(fitness.score(archive[:1]), None, PROVENANCE)
    assert (alone["kendall_tau"], alone["baseline"]) == (None, None)
    hopeless = Fitness(0.5, "archive", lambda candidate: nan)
    document = search_document(hopeless.score(archive[:1]), None, PROVENANCE)
    json.dumps(document, allow_nan=False)
    assert document["rejected"] == [
        {"id": "c0", "subnet": [2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348], "reason": "energy is not finite (nan)"}
    ]
