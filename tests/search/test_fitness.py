"""F_AEB: exact values, edge cases, normalisations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.fitness import Bounds, Fitness, Normalise, make_fitness, percentile_of
from autospikformer_cli.space import parse_subnet

TABLE_2 = [
    (520_000, 72.12), (520_000, 72.18), (630_000, 75.58), (660_000, 76.44), (680_000, 76.77), (720_000, 77.20),
    (790_000, 77.87), (990_000, 77.95), (870_000, 77.90), (880_000, 77.86), (910_000, 77.74), (940_000, 77.78),
    (950_000, 77.92), (960_000, 77.77), (950_000, 77.86),
]  # fmt: skip
"""Energy in nJ and top-1 of the paper's Table 2, the baseline last."""

MakeCandidate = Callable[..., Candidate]
EnergyOf = Callable[[Candidate], float]


def fitness_by_name(fitness: Fitness, archive: list[Candidate]) -> dict[str, float]:
    return {scored.id: scored.fitness for scored in fitness.score(archive).ranked}


def table_2(make_candidate: MakeCandidate) -> list[Candidate]:
    return [make_candidate(top1, energy, name=f"{energy}/{top1}") for energy, top1 in TABLE_2]


def test_one_outlier_turns_two_rows_of_table_2_round(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    fitness = Fitness(0.5, "archive", energy_of)
    rows = table_2(make_candidate)
    alone = fitness_by_name(fitness, rows)
    assert alone["790000/77.87"] == pytest.approx(0.706, abs=5e-4)
    assert alone["630000/75.58"] == pytest.approx(0.680, abs=5e-4)
    joined = fitness_by_name(fitness, [*rows, make_candidate(10.0, 500_000, name="outlier")])
    assert joined["790000/77.87"] == pytest.approx(0.703, abs=5e-4)
    assert joined["630000/75.58"] == pytest.approx(0.850, abs=5e-4)


def test_less_energy_scores_higher_at_equal_accuracy(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    archive = [make_candidate(50.0, 200, name="dear"), make_candidate(50.0, 100, name="cheap")]
    for alpha in (0.01, 0.5, 1.0):
        found = fitness_by_name(Fitness(alpha, "archive", energy_of), archive)
        assert found == {"cheap": alpha, "dear": 0.0}


def test_alpha_0_ranks_by_accuracy_and_1_by_energy(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    archive = table_2(make_candidate)
    by_accuracy = [scored.top1 for scored in Fitness(0.0, "archive", energy_of).score(archive).ranked]
    assert by_accuracy == sorted(by_accuracy, reverse=True)
    by_energy = [scored.energy_j for scored in Fitness(1.0, "archive", energy_of).score(archive).ranked]
    assert by_energy == sorted(by_energy)


def test_a_range_of_0_makes_its_term_0(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    fitness = Fitness(0.25, "archive", energy_of)
    assert fitness_by_name(fitness, [make_candidate(90.0, 5)]) == {"c": 0.0}
    same_energy = [make_candidate(90.0, 5, name="a"), make_candidate(80.0, 5, name="b")]
    assert fitness_by_name(fitness, same_energy) == {"a": 0.75, "b": 0.0}
    equal = [make_candidate(90.0, 5, name="a"), make_candidate(90.0, 5, name="b")]
    assert fitness_by_name(fitness, equal) == {"a": 0.0, "b": 0.0}
    nothing = fitness.score([])
    assert (nothing.ranked, nothing.bounds, nothing.rejected) == ((), None, ())


def test_what_is_not_finite_is_rejected_by_name_and_out_of_the_bounds(make_candidate: MakeCandidate) -> None:
    energies = {"good": 1.0, "better": 0.5, "nan": nan, "inf": inf, "none": 0.1}
    fitness = Fitness(0.5, "archive", lambda candidate: energies[candidate.id])
    archive = [make_candidate(top1, 0, name=name) for top1, name in zip((50, 60, 99, 1, 1), energies, strict=True)]
    unmeasured = archive.pop()
    archive.append(replace(unmeasured, measurement=replace(unmeasured.measurement, correct=0, images=0)))
    scores = fitness.score(archive)
    assert [scored.id for scored in scores.ranked] == ["better", "good"]
    assert scores.bounds == Bounds((50.0, 60.0), (0.5, 1.0))
    assert [(rejected.candidate.id, rejected.reason) for rejected in scores.rejected] == [
        ("nan", "energy is not finite (nan)"),
        ("inf", "energy is not finite (inf)"),
        ("none", "no image was measured"),
    ]
    assert fitness.rank(archive) == (archive[1], archive[0])


def test_a_network_that_computes_no_numbers_is_rejected(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    whole, other = make_candidate(50.0, 1), make_candidate(60.0, 2)
    broken = replace(whole, measurement=replace(whole.measurement, non_finite=1))
    scores = Fitness(0.5, "archive", energy_of).score([broken, other])
    assert [entry.reason for entry in scores.rejected] == ["the network computes values that are not finite"]
    assert [entry.top1 for entry in scores.ranked] == [60.0]
    assert scores.bounds is not None
    assert scores.bounds.top1 == (60.0, 60.0)


def test_ties_go_to_accuracy_then_energy_then_parameters_then_genome(
    make_candidate: MakeCandidate, energy_of: EnergyOf
) -> None:
    fixed = Fitness(0.5, "fixed", energy_of, Bounds((90.0, 95.0), (1e-9, 2e-9)))
    low, high = parse_subnet("(1, 3, 1, 1, 2, 4, 8)"), parse_subnet("(1, 4, 1, 1, 2, 4, 8)")
    archive = [
        make_candidate(50.0, 9, name="genome 2", params=1, subnet=high),
        make_candidate(50.0, 9, name="parameters", params=2, subnet=low),
        make_candidate(50.0, 9, name="genome 1", params=1, subnet=low),
        make_candidate(50.0, 8, name="energy", params=3, subnet=high),
        make_candidate(51.0, 9, name="accuracy", params=4, subnet=high),
    ]
    ranked = fixed.score(archive).ranked
    assert {scored.fitness for scored in ranked} == {0.0}
    assert [scored.id for scored in ranked] == ["accuracy", "energy", "genome 1", "genome 2", "parameters"]


def test_each_generation_has_its_own_bounds(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    archive = [
        make_candidate(10.0, 1, name="a", generation=0),
        make_candidate(20.0, 3, name="b", generation=0),
        make_candidate(70.0, 8, name="c", generation=1),
        make_candidate(90.0, 8, name="d", generation=1),
    ]
    fitness = Fitness(0.25, "generation", energy_of)
    scores = fitness.score(archive)
    assert {scored.id: scored.fitness for scored in scores.ranked} == {"a": 0.25, "b": 0.75, "c": 0.0, "d": 0.75}
    assert [scored.id for scored in scores.ranked] == ["d", "b", "a", "c"]
    assert scores.bounds is None
    assert scores.generation_bounds[0].top1 == (10.0, 20.0)
    assert scores.generation_bounds[1].top1 == (70.0, 90.0)
    outsider = fitness.of_outsider(make_candidate(50.0, 2), scores)
    assert outsider is not None
    assert isnan(outsider.fitness)


def test_fixed_bounds_clip(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    fitness = Fitness(0.5, "fixed", energy_of, Bounds((0.0, 80.0), (2e-9, 6e-9)))
    archive = [make_candidate(100.0, 1, name="over"), make_candidate(40.0, 4, name="mid"), make_candidate(0.0, 9)]
    assert fitness_by_name(fitness, archive) == pytest.approx({"over": 1.0, "mid": 0.5, "c": 0.0})
    with pytest.raises(ValueError, match="fixed normalisation needs bounds"):
        Fitness(0.5, "fixed", energy_of)


def test_percentile_bounds_clip_outliers(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    archive = [make_candidate(float(i), 100 - i, name=str(i)) for i in range(101)]
    scores = Fitness(0.5, "percentile", energy_of, percentile=(10, 90)).score(archive)
    assert scores.bounds is not None
    assert scores.bounds.top1 == pytest.approx((10.0, 90.0))
    assert scores.bounds.energy_j == pytest.approx((10e-9, 90e-9))
    found = {scored.id: scored.fitness for scored in scores.ranked}
    assert (found["0"], found["5"], found["95"], found["100"]) == pytest.approx((0.0, 0.0, 1.0, 1.0))
    assert found["50"] == pytest.approx(0.5)
    assert [scored.id for scored in scores.ranked][:2] == ["100", "99"]


def test_percentiles_are_linear_between_neighbours() -> None:
    assert percentile_of([1.0, 2.0, 4.0], 50) == 2.0
    assert percentile_of([1.0, 2.0, 4.0], 75) == 3.0
    assert percentile_of([7.0], 95) == 7.0
    assert percentile_of([1.0, 2.0], 100) == 2.0


def test_the_baseline_is_scored_under_the_archives_bounds_and_not_clipped(
    make_candidate: MakeCandidate, energy_of: EnergyOf
) -> None:
    fitness = Fitness(0.5, "archive", energy_of)
    scores = fitness.score([make_candidate(60.0, 100), make_candidate(80.0, 200)])
    outsider = fitness.of_outsider(make_candidate(90.0, 300, name="baseline"), scores)
    assert outsider is not None
    assert outsider.fitness == pytest.approx(0.5 * (1 - 2) + 0.5 * 1.5)
    assert scores.bounds is not None
    assert scores.bounds.top1 == (60.0, 80.0)
    assert scores.bounds.energy_j == pytest.approx((1e-7, 2e-7))
    assert Fitness(0.5, "archive", lambda _: nan).of_outsider(make_candidate(90.0, 1), scores) is None


@dataclass(frozen=True)
class Given:
    """[search] as a recipe has it: exact decimals."""

    alpha: Decimal = Decimal("0.3")
    normalise: Normalise = "archive"
    bounds: Bounds | None = None
    percentile: tuple[Decimal, Decimal] = (Decimal(5), Decimal(95))


def test_a_recipes_fitness_computes_in_floats(make_candidate: MakeCandidate, energy_of: EnergyOf) -> None:
    bounds = Bounds((Decimal(0), Decimal(100)), (Decimal(0), Decimal("1e-6")))  # type: ignore[arg-type]
    fitness = make_fitness(Given(normalise="fixed", bounds=bounds), energy_of)  # type: ignore[arg-type]
    assert fitness.bounds == Bounds((0.0, 100.0), (0.0, 1e-6))
    assert fitness_by_name(fitness, [make_candidate(50.0, 250)]) == pytest.approx({"c": 0.3 * 0.75 + 0.7 * 0.5})
    assert make_fitness(Given(), energy_of).percentile == (5.0, 95.0)  # type: ignore[arg-type]


PAIRS = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), min_size=1, max_size=20)


@given(PAIRS, st.floats(0, 1), st.sampled_from(["archive", "generation", "percentile"]))
def test_every_fitness_lies_in_0_to_1_and_order_is_the_archives_not_the_lists(
    make_candidate: MakeCandidate, energy_of: EnergyOf, pairs: list[tuple[int, int]], alpha: float, mode: Normalise
) -> None:
    distinct = sorted(set(pairs))
    archive = [make_candidate(top1, energy, name=f"{top1}/{energy}") for top1, energy in distinct]
    fitness = Fitness(alpha, mode, energy_of)
    scores = fitness.score(archive)
    assert all(-1e-12 <= scored.fitness <= 1 + 1e-12 for scored in scores.ranked)
    assert fitness.score(archive[::-1]) == scores


@pytest.mark.parametrize("normalise", ["archive", "fixed", "percentile"])
def test_a_choice_by_other_accuracies_is_that_of_an_archive_with_them(
    normalise: Normalise, make_candidate: MakeCandidate, energy_of: EnergyOf
) -> None:
    """Bounds as they were: with the same extremes, a whole archive of other accuracies ranks the same one first."""
    bounds = Bounds((72.0, 78.0), (0.0005, 0.001))
    fitness = Fitness(0.5, normalise, energy_of, bounds if normalise == "fixed" else None, (0.0, 100.0))
    scores = fitness.score(table_2(make_candidate))
    assert scores.bounds is not None
    choose = fitness.choices_among(scores.ranked, scores.bounds)
    top1s = np.array([scored.top1 for scored in scores.ranked])
    assert choose(top1s).tolist() == [0]
    generator, found = np.random.default_rng(0), set()
    for _ in range(20):
        others = generator.permutation(top1s)
        archive = [
            make_candidate(top1, round(scored.energy_j * 1e9), name=str(place))
            for place, (top1, scored) in enumerate(zip(others, scores.ranked, strict=True))
        ]
        (best,) = choose(others).tolist()
        assert str(best) == fitness.score(archive).ranked[0].id
        found.add(best)
    assert len(found) > 1


def test_a_choice_without_bounds_is_by_accuracy_and_ties_break_as_in_a_ranking(
    make_candidate: MakeCandidate, energy_of: EnergyOf
) -> None:
    archive = [make_candidate(70.0, 300, name="c"), make_candidate(70.0, 200, name="b", params=5)]
    archive.append(make_candidate(70.0, 200, name="a", params=2))
    ranked = Fitness(0.5, "archive", energy_of).score(archive).ranked
    assert Fitness(0.0, "archive", None).choices_among(ranked, None)(np.array([70.0, 70.0, 71.0])) == 2
    bounds = Bounds((1.0, 2.0), (1.0, 2.0))
    assert Fitness(0.0, "archive", energy_of).choices_among(ranked, bounds)(np.full(3, 5.0)) == 0
    assert ranked[0].id == "a"
