"""What is said of two settings: which one leads, in which measures, and when the measures disagree."""

from __future__ import annotations

import pytest

from autospikformer_cli.runs.comparing.contrasts import Contrast, Measure, SearchSetting

EVOLUTION, RANDOM = SearchSetting("evolution", 0.5, {}), SearchSetting("random", 0.5, {})


def contrast(*measures: Measure, pairs: int = 3) -> Contrast:
    return Contrast(EVOLUTION, RANDOM, tuple((0, seed) for seed in range(pairs)), measures)


def test_measures_that_disagree_are_one_sentence() -> None:
    """The demo's case: another order in each measure, in 3 of 3 seeds."""
    found = contrast(
        Measure("hypervolume", (0.90, 0.91, 0.90), (0.92, 0.93, 0.91)),
        Measure("best F_AEB", (0.9, 0.8, 0.9), (0.7, 0.7, 0.8)),
        Measure("mean F_AEB", (0.6, 0.6, 0.4), (0.5, 0.5, 0.5)),
    )
    assert found.disagrees
    assert found.finding == (
        "The measures disagree: random leads in hypervolume (3 of 3 seeds), evolution in best F_AEB (3 of 3 seeds) and "
        "mean F_AEB (2 of 3 seeds)."
    )
    assert found.least_probability == 0.25
    assert [measure.probability for measure in found.measures[:2]] == [0.25, 0.25]


def test_measures_that_agree_are_one_sentence() -> None:
    better, even = Measure("hypervolume", (0.9, 0.9), (0.8, 0.8)), Measure("best F_AEB", (0.9, 0.7), (0.8, 0.8))
    found = contrast(better, even, pairs=2)
    assert not found.disagrees
    assert found.finding == "evolution leads random in hypervolume (2 of 2 seeds); even in best F_AEB."
    assert contrast(even, pairs=2).finding is None


@pytest.mark.parametrize("pairs", [0, 1])
def test_a_single_pair_is_told_by_its_values(pairs: int) -> None:
    found = contrast(Measure("hypervolume", (0.9,), (0.95,)), Measure("best F_AEB", (0.8,), (0.7,)), pairs=pairs)
    assert found.finding == (
        "The measures disagree: random leads in hypervolume (0.9500 against 0.9000), evolution in best F_AEB "
        "(0.8000 against 0.7000)."
    )


def test_seeds_of_several_trainings_are_told_apart() -> None:
    both = Contrast(EVOLUTION, RANDOM, ((0, 0), (1, 1)), (Measure("hypervolume", (0.9, 0.9), (0.8, 0.8)),))
    assert both.seeds_text == "0 of training 0, 1 of training 1"
    assert contrast(pairs=2).seeds_text == "0, 1"
