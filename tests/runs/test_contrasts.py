"""What is said of two settings: which one leads, in which measures, and when nothing can tell."""

from __future__ import annotations

from autospikformer_cli.runs.comparing.contrasts import Contrast, Measure, SearchSetting

EVOLUTION, RANDOM = SearchSetting("evolution", 0.5, {}), SearchSetting("random", 0.5, {})


def contrast(*measures: Measure, pairs: int = 3) -> Contrast:
    return Contrast(EVOLUTION, RANDOM, tuple((0, seed) for seed in range(pairs)), measures)


def all_pairs(name: str, first: float, second: float, pairs: int) -> Measure:
    """A measure in which one of the two is higher in every pair."""
    return Measure(name, (first,) * pairs, (second,) * pairs)


def test_measures_that_disagree_are_one_sentence() -> None:
    """Another order in each of two measures, in 6 of 6 seeds: more than chance in both."""
    found = contrast(
        all_pairs("hypervolume", 0.90, 0.92, 6),
        all_pairs("best F_AEB", 0.9, 0.7, 6),
        Measure("mean F_AEB", (0.6, 0.6, 0.4, 0.5, 0.5, 0.5), (0.5,) * 6),
        pairs=6,
    )
    assert found.disagrees
    assert found.finding == (
        "The measures disagree: random leads in hypervolume (6 of 6 seeds, p = 0.031), evolution in best F_AEB "
        "(6 of 6 seeds, p = 0.031); not told apart in mean F_AEB."
    )
    assert found.least_probability == 0.03125


def test_a_lead_is_more_than_chance() -> None:
    better = all_pairs("hypervolume", 0.9, 0.8, 6)
    even = Measure("best F_AEB", (0.9, 0.7, 0.9, 0.7, 0.9, 0.7), (0.8,) * 6)
    found = contrast(better, even, pairs=6)
    assert not found.disagrees
    assert found.finding == (
        "evolution leads random in hypervolume (6 of 6 seeds, p = 0.031); not told apart in best F_AEB."
    )
    assert contrast(even, pairs=6).finding is None
    most = Measure("best F_AEB", (0.9, 0.9, 0.9, 0.9, 0.9, 0.7), (0.8,) * 6)
    assert contrast(most, pairs=6).finding == (
        "No measure tells evolution from random by more than chance: evolution is higher in best F_AEB (5 of 6 seeds, "
        "p = 0.53)."
    )


def test_so_few_pairs_that_no_difference_is_more_than_chance_name_no_leader() -> None:
    found = contrast(
        all_pairs("hypervolume", 0.9, 0.92, 3),
        all_pairs("best F_AEB", 0.9, 0.7, 3),
        all_pairs("mean F_AEB", 0.5, 0.5, 3),
    )
    assert not found.disagrees
    assert found.finding == (
        "3 pairs of seeds cannot tell evolution from random: random is higher in hypervolume (3 of 3 seeds), evolution "
        "in best F_AEB (3 of 3 seeds); even in mean F_AEB."
    )
    assert [measure.probability for measure in found.measures[:2]] == [0.25, 0.25]


def test_one_search_each_tells_nothing() -> None:
    """0.7834 against 0.7833 was called a lead."""
    measures = Measure("hypervolume", (0.7834,), (0.7833,)), Measure("best F_AEB", (0.7,), (0.8,))
    rest = "evolution is higher in hypervolume (0.7834 against 0.7833), random in best F_AEB (0.8000 against 0.7000)."
    assert contrast(*measures, pairs=1).finding == f"One pair of seeds cannot tell evolution from random: {rest}"
    assert contrast(*measures, pairs=0).finding == f"Without a common seed, nothing tells evolution from random: {rest}"
    assert contrast(Measure("hypervolume", (0.9,), (0.9,)), pairs=1).finding is None


def test_seeds_of_several_trainings_are_told_apart() -> None:
    both = Contrast(EVOLUTION, RANDOM, ((0, 0), (1, 1)), (Measure("hypervolume", (0.9, 0.9), (0.8, 0.8)),))
    assert both.seeds_text == "0 of training 0, 1 of training 1"
    assert contrast(pairs=2).seeds_text == "0, 1"


def test_an_interval_of_a_difference_of_shares_is_possible() -> None:
    """Of two pairs, Student's would end at 1.65."""
    assert Measure("coverage of the other's front", (0.9, 0.6), (0.1, 0.5)).difference_interval == (-1.0, 1.0)
    low, high = Measure("mean F_AEB", (0.9, 0.6), (0.1, 0.5)).difference_interval or (0.0, 0.0)
    assert low < -1 < 1 < high
