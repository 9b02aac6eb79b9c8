"""Limits: exact shares of what they refused, before measuring and behind it; and what is said of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.search_section import OBJECTIVES
from autospikformer_cli.search import generations
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.limits import Refusals, none_drawn, none_feasible
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import SearchSpace, Subnet

Measure = Callable[[Sequence[Subnet], int], list[Candidate]]
ProblemOf = Callable[..., Problem]
Searching = Callable[..., tuple[Algorithm, list[Candidate], Problem]]
SAMPLING = ["evolution", "random", "nsga2"]


@pytest.fixture
def searching(measure: Measure, settings: Callable[..., Any], problem_of: ProblemOf) -> Searching:
    """searching(space, algorithm=, limits=): a search at its end, its archive and its problem."""

    def whole(space: SearchSpace, **keys: Any) -> tuple[Algorithm, list[Candidate], Problem]:
        wanted = settings(**keys)
        problem = problem_of(space, wanted)
        search = make_algorithm(wanted, problem, 0)
        archive: list[Candidate] = []
        while asked := search.ask():
            archive += (told := measure(asked, search.generation))
            search.tell(told)
        return search, archive, problem

    return whole


@pytest.mark.parametrize("name", SAMPLING)
def test_what_is_known_before_is_never_measured(
    name: str, paper_space: SearchSpace, searching: Searching, params_of: Callable[[Subnet], int]
) -> None:
    limits = {"params": 4.4e6, "time_step": 3.0}
    search, archive, _ = searching(paper_space, algorithm=name, limits=limits)
    assert len(archive) == search.total == 50
    assert all(candidate.subnet.time_step <= 3 and params_of(candidate.subnet) <= 4.4e6 for candidate in archive)
    assert search.note == ""


def test_shares_of_samples_are_exact(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against every draw noted: one that two limits refuse counts for both."""
    drawn: list[Subnet] = []
    sample = SearchSpace.sample

    def noted(self: SearchSpace, random: Any) -> Subnet:
        drawn.append(sample(self, random))
        return drawn[-1]

    monkeypatch.setattr(SearchSpace, "sample", noted)
    wanted = settings(algorithm="random", limits={"time_step": 2.0, "params": 230_000.0}, population=3)
    problem = problem_of(tiny_space, wanted)
    search = make_algorithm(wanted, problem, 0)
    search.ask()
    over_time = sum(subnet.time_step > 2 for subnet in drawn)
    over_params = sum("params" in problem.limits.before(subnet) for subnet in drawn)
    assert search.refusals.samples == len(drawn)
    counted = {"time_step": over_time, "params": over_params}
    assert search.refusals.by_limit == {name: count for name, count in counted.items() if count}
    assert 0 < over_params < over_time + over_params < 2 * len(drawn)


@pytest.mark.parametrize("name", SAMPLING)
def test_a_generation_that_cannot_be_filled_says_so(name: str, tiny_space: SearchSpace, searching: Searching) -> None:
    search, archive, _ = searching(tiny_space, algorithm=name, limits={"time_step": 2.0}, population=8)
    assert {candidate.subnet for candidate in archive} == {m for m in tiny_space.members() if m.time_step == 2}
    shares = str(search.refusals)
    assert search.note == f"only 12 of 24 subnets were found within the limits: {shares}"
    share = 100 * search.refusals.by_limit["time_step"] / search.refusals.samples
    assert shares == f"search.limits.time_step excluded {share:.1f} % of {search.refusals.samples:,} samples"


def test_the_smallest_of_a_large_space_are_found_where_no_draw_is_within(
    paper_space: SearchSpace, searching: Searching, params_of: Callable[[Subnet], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(generations, "MOST_REFUSED", 100)
    deep = replace(paper_space, depth=(8,))
    least = params_of(deep.smallest())
    search, archive, _ = searching(
        deep, algorithm="random", limits={"params": float(least)}, population=2, generations=1
    )
    assert [params_of(candidate.subnet) for candidate in archive] == [least] * 2
    assert str(search.refusals) == "search.limits.params excluded 100 % of 400 samples"
    assert search.note == ""


@pytest.mark.parametrize("name", [*SAMPLING, "exhaustive"])
def test_limits_that_leave_nothing(name: str, tiny_space: SearchSpace, searching: Searching) -> None:
    search, archive, _ = searching(tiny_space, algorithm=name, limits={"time_step": 1.0})
    samples = {"exhaustive": 24}.get(name, 10_000)
    assert (archive, search.refusals.samples % samples) == ([], 0)
    assert str(none_drawn(search.refusals)) == (
        "search.limits: no subnet keeps to the limits: "
        f"search.limits.time_step excluded 100 % of {search.refusals.samples:,} samples\n"
        "  loosen search.limits.time_step; smaller subnets need a wider [space], and its supernet trained"
    )


def test_exhaustive_counts_only_what_is_within(
    tiny_space: SearchSpace, searching: Searching, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    search, archive, _ = searching(
        tiny_space, algorithm="exhaustive", limits={"time_step": 2.0}, population=12, generations=1
    )
    assert [candidate.subnet for candidate in archive] == [m for m in tiny_space.members() if m.time_step == 2]
    assert (search.total, search.note) == (12, "")
    wanted = settings(algorithm="exhaustive", limits={"time_step": 2.0}, population=11, generations=1)
    with pytest.raises(UserError, match="has 12 subnets within the limits, the budget is 11 "):
        make_algorithm(wanted, problem_of(tiny_space, wanted), 0)


@pytest.mark.parametrize("name", SAMPLING)
def test_what_breaks_a_limit_is_archived_and_never_best(
    name: str, paper_space: SearchSpace, searching: Searching
) -> None:
    _, archive, problem = searching(paper_space, algorithm=name, limits={"energy": 2.5e-6}, generations=10)
    broken = [candidate for candidate in archive if problem.price_of(candidate).energy_j > 2.5e-6]
    assert 0 < len(broken) < len(archive) == 100
    scores = problem.fitness.score(archive)
    assert {(rejected.candidate.id, rejected.reason) for rejected in scores.rejected} == {
        (candidate.id, "breaks search.limits.energy") for candidate in broken
    }
    assert scores.bounds is not None
    assert scores.bounds.energy_j[1] <= 2.5e-6


def test_searches_turn_to_what_is_feasible(paper_space: SearchSpace, searching: Searching) -> None:
    """Of the later half more keeps to a limit than of a random search."""

    def kept(name: str) -> int:
        _, archive, problem = searching(paper_space, algorithm=name, limits={"energy": 1.6e-6}, generations=10)
        return sum(map(problem.feasible, archive[50:]))

    random = kept("random")
    assert kept("nsga2") > 2 * random
    assert kept("evolution") > 2 * random


def test_a_search_without_a_feasible_subnet(paper_space: SearchSpace, searching: Searching) -> None:
    limits = {"energy": 1e-9, "top1": 89.0, "params": 4.4e6}
    _, archive, problem = searching(paper_space, algorithm="nsga2", limits=limits)
    assert not any(map(problem.feasible, archive))
    below = sum(candidate.measurement.top1 < 89.0 for candidate in archive)
    best = max(candidate.measurement.top1 for candidate in archive)
    least = min(problem.price_of(candidate).energy_j for candidate in archive)
    of_top1 = f", search.limits.top1 {below / len(archive):.1%}".replace("%", " %") if below < len(archive) else ""
    text = str(none_feasible(problem.limits, archive, Refusals()))
    assert text.startswith(
        "search.limits: no subnet keeps to the limits: "
        f"search.limits.energy excluded 100 % of {len(archive)} measured subnets{of_top1}"
    )
    assert f"loosen search.limits.energy: the best energy measured is {least * 1e6:.4g} µJ" in text
    assert f"the best top-1 measured is {best:.4g} %; what was measured is kept" in text


def test_a_limit_beyond_what_there_can_be(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    with pytest.raises(UserError) as error:
        problem_of(tiny_space, settings(limits={"top1": 101.0}))
    assert str(error.value) == (
        "search.limits.top1: at least 101 % top-1 is more than there can be\n  write at most 100 %"
    )


def test_the_bound_itself_is_allowed(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf, measure: Measure
) -> None:
    member = tiny_space.smallest()
    (candidate,) = measure([member], 0)
    problem = problem_of(tiny_space)
    exact = {"energy": problem.price_of(candidate).energy_j, "top1": candidate.measurement.top1, "time_step": 2.0}
    assert problem_of(tiny_space, settings(limits=exact)).feasible(candidate)
    for name, bound in exact.items():
        tighter = {name: bound * (1.001 if name == "top1" else 0.999)}
        refused = problem_of(tiny_space, settings(limits=tighter)).limits
        assert refused.after(candidate) == f"breaks search.limits.{name}"
        assert refused.violation(candidate) == pytest.approx(0.001, rel=0.01)


def test_objectives_of_plugins(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf, measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    given = {"joules": "ENERGY", "wrong": "objective_of"}
    points = {
        name: (EntryPoint(name, f"autospikformer_cli.search.objectives:{attribute}", OBJECTIVES.group),)
        for name, attribute in given.items()
    }
    monkeypatch.setitem(OBJECTIVES.__dict__, "providers", {**OBJECTIVES.providers, **points})
    recipe = load_recipe("quickstart", ['search.objectives=["joules", "params"]', "search.limits.joules=1e-9"])
    problem = problem_of(tiny_space, settings(objectives=recipe.search.objectives, limits=recipe.search.limits))
    (candidate,) = measure([tiny_space.smallest()], 0)
    assert problem.values(candidate) == (problem.price_of(candidate).energy_j, candidate.measurement.params)
    assert not problem.feasible(candidate)
    with pytest.raises(UserError) as error:
        problem_of(tiny_space, settings(objectives=("wrong", "top1"))).require_objectives()
    assert str(error.value) == (
        "search.objectives: the objective wrong is no Objective\n  choose another, or mend the plugin"
    )


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"energy": 99.0}, []),
        ({"energy": 101.0, "top1": 40.0}, ["search.limits.energy: energy at most 101 J is 101 times the baseline's 1"]),
        (
            {"energy": 1.0, "top1": 0.4},
            ["search.limits.top1: top-1 at least 0.4 % is 125 times less than the baseline"],
        ),
        ({"params": 1e12}, ["search.limits.params: parameters at most 1,000,000,000,000 is"]),
    ],
)
def test_a_limit_far_from_the_baseline_is_said(
    limits: dict[str, float], told: list[str], paper_space: SearchSpace, measure: Measure,
    settings: Callable[..., Any], problem_of: ProblemOf,
) -> None:  # fmt: skip
    """It is often a slip of a unit. The baseline here has 1 J and 50 %."""
    (measured,) = measure([paper_space.smallest()], 0)
    baseline = replace(measured, measurement=replace(measured.measurement, correct=50, images=100))
    problem = problem_of(paper_space, settings(limits=limits))
    limited = replace(problem.limits, price_of=lambda candidate: Price(1.0, 1.0))
    found = replace(problem, limits=limited).loose_limits(baseline)
    assert len(found) == len(told)
    assert all(each.startswith(begin) for each, begin in zip(found, told, strict=True))
    hints = {"energy": "a number without a prefix is in joules", "top1": "in percent", "params": "next to nothing"}
    assert all(each.endswith(hints[each.split(":")[0].rpartition(".")[2]]) for each in found)
