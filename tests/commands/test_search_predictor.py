"""aspk search --algorithm predictor: what is said of how well it predicts, and where that is stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.runs.predictor_quality import stored_quality
from autospikformer_cli.store.population import load_population

Aspk = Callable[..., Any]
WANTED = ("search", "--algorithm", "predictor", "--set", "search.population=8")


def test_a_predictor_says_how_well_it_predicts(aspk: Aspk, trained: Path) -> None:
    done = aspk(*WANTED)
    assert done.exit_code == 0
    population = load_population(trained)
    assert len(population.candidates) == 24
    quality = stored_quality(population.state)
    assert quality is not None
    assert (quality.num_candidates, [each.outcome for each in quality.outcomes]) == (24, ["top1", "energy_j"])
    energy = quality.outcomes[1]
    assert energy.kendall_tau is not None
    assert energy.interval is not None
    assert energy.interval[0] < energy.kendall_tau < energy.interval[1]
    assert energy.kendall_tau > 0.5, "energy follows from genes, nearly"
    said = "predictor (Bayesian ridge regression on genes): 10-fold cross-validation over 24 candidates, tau-b "
    assert quality.sentence.startswith(said)
    assert quality.sentence in done.stdout
    assert quality.sentence in " ".join(aspk("report").stdout.split())
    assert aspk("report", "--json").document["predictor"] == quality.to_document() == population.state["predictor"]
    assert "It chose by the predictions of Bayesian ridge regression on genes" in " ".join(
        aspk("report", "--methods").stdout.split()
    )
    again = aspk(*WANTED, "--json")
    assert again.document["predictor"] == quality.to_document(), "a finished search is read, not cross-validated again"


def test_what_does_not_predict_has_no_cross_validation(aspk: Aspk, searched: Path) -> None:
    assert "predictor" not in load_population(searched).state
    assert aspk("report", "--json").document["predictor"] is None
    assert "cross-validation" not in aspk("report").stdout


@pytest.mark.parametrize(
    "stored", [None, {}, {"model": "mine"}, [3], {"outcomes": 3}, {"outcomes": [{"outcome": "top1"}]}]
)
def test_a_plugin_may_keep_something_else_under_the_same_key(stored: Any) -> None:
    assert stored_quality({"predictor": stored}) is None


def test_a_stopped_search_goes_on_to_the_same_end(aspk: Aspk, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by Ctrl-C after its second generation, and gone on with."""
    from autospikformer_cli.search.predictor import PredictorSearch

    shutil.copytree(trained, "runs/whole")
    whole = aspk(*WANTED, "--run", "whole", "--json").document
    tell = PredictorSearch.tell

    def interrupted(self: PredictorSearch, candidates: list[Candidate]) -> None:
        tell(self, candidates)
        if self.generation == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PredictorSearch, "tell", interrupted)
        assert aspk(*WANTED, "--run", "tiny").exit_code == 130
    population = load_population(trained)
    assert not population.state["finished"]
    assert stored_quality(population.state) is None
    resumed = aspk(*WANTED, "--run", "tiny", "--json").document
    assert resumed["predictor"] == whole["predictor"]
    assert resumed["candidates"] == whole["candidates"]
