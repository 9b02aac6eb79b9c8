"""The predictor: columns of genes, ridge regression against closed forms, what it finds, and its cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.gene_features import INTERACTION, GeneFeatures
from autospikformer_cli.search.predictor import FOLDS, LEAST_FITTED, Predicting, PredictorSearch
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.ridge import fit_ridge
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet

Measure = Callable[[Sequence[Subnet], int], list[Candidate]]
ProblemOf = Callable[..., Problem]
Settings = Callable[..., Any]


def space_of_3078() -> SearchSpace:
    return SearchSpace(
        depth=(1, 2),
        mlp_ratio=(Decimal(2), Decimal(4)),
        num_heads=(2,),
        threshold=(Decimal("0.6"), Decimal(1), Decimal("1.4")),
        tau=(Decimal("1.25"), Decimal(2), Decimal(5)),
        time_step=(2, 3, 4),
        embed_dim=(32, 40, 48),
    )


def separable(make_candidate: Callable[..., Candidate]) -> Measure:
    """Accuracy is a sum over genes, energy a product: no noise. The optimum lies at no end of tau and threshold."""

    def measure(subnets: Sequence[Subnet], generation: int) -> list[Candidate]:
        found = []
        for subnet in subnets:
            off = sum(abs(float(value) - 1) for value in subnet.threshold) / subnet.depth
            off += sum(abs(float(value) - 2) for value in subnet.tau) / 4 / subnet.depth
            top1 = 80 + subnet.time_step + 2 * subnet.depth + subnet.embed_dim / 16 - 4 * off
            energy = subnet.depth * subnet.embed_dim * subnet.time_step * round(float(subnet.mlp_ratio[0]))
            found.append(make_candidate(top1, energy, name=str(subnet), subnet=subnet, generation=generation))
        return found

    return measure


def search_of(problem_of: ProblemOf, settings: Settings, space: SearchSpace, seed: int, **keys: Any) -> Any:
    wanted = settings(**{"algorithm": "predictor", **keys})
    return make_algorithm(wanted, problem_of(space, wanted), seed)


def test_columns_of_genes() -> None:
    space = space_of_3078()
    subnets = [parse_subnet(text) for text in ("(1, 4, 2, 0.6, 5, 2, 48)", "(2, 2, 4, 2, 2, 1, 1.4, 1.25, 2, 3, 32)")]
    columns = GeneFeatures(space).of(subnets)
    # depth, T, dimension, and ratio, threshold, tau of two blocks; squares of all but depth and ratio; products
    straight, squares = 3 + 6, 2 + 4
    assert columns.shape == (2, straight + squares + straight * (straight - 1) // 2)
    middle_t, middle_tau = (2 * np.log(3 / 2) / np.log(4 / 2) - 1, 2 * np.log(2 / 1.25) / np.log(5 / 1.25) - 1)
    middle_threshold = 2 * np.log(1 / 0.6) / np.log(1.4 / 0.6) - 1
    assert columns[0, :straight].tolist() == [-1, -1, 1, 1, 0, -1, 0, 1, 0], "a block that is not there is 0"
    expected = [1, middle_t, -1, -1, 1, middle_threshold, 1, -1, middle_tau]
    assert columns[1, :straight].tolist() == pytest.approx(expected)
    assert columns[1, straight : straight + 2].tolist() == pytest.approx([middle_t**2, 1])
    assert columns[1, straight + squares] == pytest.approx(INTERACTION * middle_t), "depth times T"
    every = GeneFeatures(space).of(list(space.members()))
    assert np.abs(every).max() == 1
    assert len(np.unique(every, axis=0)) == space.size(), "no two subnets have the same columns"
    with pytest.raises(KeyError):
        GeneFeatures(space).of([parse_subnet("(1, 3, 2, 0.6, 5, 2, 48)")])


def test_a_space_of_one_value_each_has_no_columns() -> None:
    only = space_of_3078().smallest()
    one = SearchSpace((1,), only.mlp_ratio, only.num_heads, only.threshold, only.tau, (2,), (32,))
    assert GeneFeatures(one).of([only, only]).shape == (2, 0)
    model = fit_ridge(np.empty((2, 0)), np.array([3.0, 5.0]))
    assert model.expected(np.empty((1, 0))).tolist() == [4.0]


def test_a_line_without_noise_is_found_and_equal_outcomes_stay() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (40, 5))
    y = 70 + x @ np.array([3.0, -2.0, 0.5, 0.0, 1.0])
    model = fit_ridge(x, y)
    assert model.expected(x) == pytest.approx(y, abs=1e-4)
    assert model.drawn(x, np.random.default_rng(1)) == pytest.approx(y, abs=1e-3), "nothing else is possible"
    logarithmic = fit_ridge(x, np.exp(y / 10), is_log=True)
    assert logarithmic.expected(x) == pytest.approx(np.exp(y / 10), rel=1e-5)
    same = fit_ridge(x, np.full(40, 61.5))
    assert (same.expected(x) == 61.5).all()
    assert (same.drawn(x, np.random.default_rng(1)) == 61.5).all()


def test_the_posterior_is_the_closed_form() -> None:
    """Against S = (lambda I + alpha X^T X)^-1, as scikit-learn computes it from all rows."""
    from sklearn.linear_model import BayesianRidge

    generator = np.random.default_rng(3)
    x = generator.uniform(-1, 1, (60, 4))
    y = 50 + x @ np.array([2.0, 0.0, -1.0, 0.3]) + generator.normal(0, 0.8, 60)
    model = fit_ridge(x, y)
    reference = BayesianRidge().fit(x, (y - y.mean()) / y.std())
    assert model.weights_F == pytest.approx(reference.coef_ * y.std(), rel=1e-6)
    assert model.root_FF @ model.root_FF.T == pytest.approx(reference.sigma_ * y.var(), rel=1e-6)
    draws = np.array([model.drawn(x[:3], generator) for _ in range(4000)])
    expected = (x[:3] - x.mean(axis=0)) @ reference.sigma_ @ (x[:3] - x.mean(axis=0)).T * y.var()
    assert draws.mean(axis=0) == pytest.approx(model.expected(x[:3]), abs=0.02)
    assert np.cov(draws.T) == pytest.approx(expected, rel=0.15, abs=0.002)


def test_fewer_rows_than_columns_leave_the_prior() -> None:
    """Directions that no row has are as uncertain as the prior says, not certain."""
    x = np.zeros((12, 30))
    x[:, :5] = np.random.default_rng(0).uniform(-1, 1, (12, 5))
    model = fit_ridge(x, x @ np.arange(30.0) + np.random.default_rng(1).normal(0, 0.1, 12))
    unseen, seen = np.zeros((1, 30)), x[:1]
    unseen[0, 20] = 1.0
    spread = [np.std([model.drawn(row, np.random.default_rng(draw)) for draw in range(200)]) for row in (unseen, seen)]
    assert spread[0] > 3 * spread[1]


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_optimum_sooner_than_random_search(
    seed: int, make_candidate: Callable[..., Candidate], problem_of: ProblemOf, settings: Settings
) -> None:
    """The best by F_AEB of 3,078 subnets, of which 100 are measured. Bounds are fixed, so that the best is the same."""
    space, measure = space_of_3078(), separable(make_candidate)
    best = problem_of(space).rank(measure(list(space.members()), 0))[0].subnet
    evaluations = {}
    for name in ("predictor", "random"):
        search = search_of(problem_of, settings, space, seed, algorithm=name, population=20, generations=5)
        told: list[Candidate] = []
        while asked := search.ask():
            told += measure(asked, search.generation)
            search.tell(told[-len(asked) :])
        places = [place for place, candidate in enumerate(told) if candidate.subnet == best]
        evaluations[name] = places[0] if places else space.size()
    assert evaluations["predictor"] < 100
    assert evaluations["predictor"] < evaluations["random"]


def test_a_limit_of_energy_is_kept_more_often_once_it_is_predicted(
    make_candidate: Callable[..., Candidate], problem_of: ProblemOf, settings: Settings
) -> None:
    space, measure = space_of_3078(), separable(make_candidate)
    search = search_of(problem_of, settings, space, 0, population=30, generations=3, limits={"energy": 3.3e-7})
    kept = []
    while asked := search.ask():
        told = measure(asked, search.generation)
        kept.append(sum(search.problem.feasible(candidate) for candidate in told))
        search.tell(told)
    assert kept[0] < 18
    assert min(kept[1:]) > 25, kept


def test_a_limit_before_measuring_is_never_broken(
    make_candidate: Callable[..., Candidate], problem_of: ProblemOf, settings: Settings
) -> None:
    space, measure = space_of_3078(), separable(make_candidate)
    search = search_of(problem_of, settings, space, 0, population=20, generations=3, limits={"time_step": 2})
    while asked := search.ask():
        assert {subnet.time_step for subnet in asked} == {2}
        search.tell(measure(asked, search.generation))
    refused = search.refusals.by_limit["time_step"] / search.refusals.samples
    assert 0.1 < refused < 0.9, "every draw of the pool is counted"


def test_candidates_without_finite_values_are_not_fitted(
    measure: Measure, problem_of: ProblemOf, settings: Settings, paper_space: SearchSpace
) -> None:
    search = search_of(problem_of, settings, paper_space, 0, population=LEAST_FITTED + 2, generations=2)
    told = measure(search.ask(), 0)
    broken = [replace(each, measurement=replace(each.measurement, non_finite=1)) for each in told[:3]]
    search.tell([*broken, *told[3:]])
    assert search.cross_validated() is None
    assert len(search.ask()) == LEAST_FITTED + 2, "too few are left, so the generation is random"


def test_a_candidate_is_predicted_without_its_own_measurement(
    measure: Measure, problem_of: ProblemOf, settings: Settings, paper_space: SearchSpace
) -> None:
    search = search_of(problem_of, settings, paper_space, 0, population=40, generations=1)
    told = measure(search.ask(), 0)
    search.tell(told)
    assert isinstance(search, Predicting)
    found = search.cross_validated()
    assert found is not None
    assert (found.model, found.folds) == ("Bayesian ridge regression on genes", FOLDS)
    accuracy, energy = found.outcomes
    assert accuracy.measured == tuple(each.measurement.top1 for each in told)
    assert np.corrcoef(energy.measured, energy.predicted)[0, 1] > 0.85, "energy is a product of genes"
    lucky = replace(told[7], measurement=replace(told[7].measurement, correct=10_000))
    other: Any = PredictorSearch(problem_of(paper_space), settings(algorithm="predictor", population=40), 0)
    other.ask()
    other.tell([*told[:7], lucky, *told[8:]])
    changed = other.cross_validated().outcomes[0]
    assert changed.predicted[7] == accuracy.predicted[7]
    assert changed.measured[7] == 100.0
    differing = [place for place in range(40) if changed.predicted[place] != accuracy.predicted[place]]
    assert len(differing) > 30, "nine of ten parts were fitted with it"


def test_twins_are_left_out_together(
    measure: Measure, problem_of: ProblemOf, settings: Settings, paper_space: SearchSpace
) -> None:
    """Two candidates with the same measurements: neither is predicted from the other."""
    search = search_of(problem_of, settings, paper_space, 1, population=40, generations=1)
    told = measure(search.ask(), 0)
    told[-1] = replace(told[-1], measurement=told[0].measurement)
    search.tell(told)
    found = search.cross_validated()
    assert found is not None
    accuracies, energies = (np.array(each.measured) for each in found.outcomes)
    networks: list[tuple[float, float]] = []
    for pair in zip(accuracies, energies, strict=True):
        networks += [pair] if pair not in networks else []
    folds = np.array([networks.index(pair) % FOLDS for pair in zip(accuracies, energies, strict=True)])
    assert folds[0] == folds[-1] == 0
    columns = GeneFeatures(paper_space).of([candidate.subnet for candidate in told])
    model = fit_ridge(columns[folds != 0], accuracies[folds != 0])
    assert model.expected(columns[[0, -1]]) == pytest.approx([found.outcomes[0].predicted[place] for place in (0, -1)])
