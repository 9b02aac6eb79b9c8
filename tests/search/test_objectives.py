"""Objectives of plugins: their names, their values of a candidate, and stored values in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from math import isnan
from typing import Any

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, StoredObjective
from autospikformer_cli.recipe.search_section import OBJECTIVES
from autospikformer_cli.search.alike import different
from autospikformer_cli.search.objectives import objective_of
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.space import SearchSpace, Subnet

Measure = Callable[[Sequence[Subnet], int], list[Candidate]]
ProblemOf = Callable[..., Problem]
LATENCY = StoredObjective("latency", "latency of a chip", "ms", "less", 0.0)
MARGIN = StoredObjective("margin", "margin", "", "more", 8.0)


@pytest.fixture
def small(tiny_space: SearchSpace, measure: Measure) -> Candidate:
    """A candidate with stored values."""
    (candidate,) = measure([tiny_space.smallest()], 0)
    return replace(candidate, plugin_values={"latency": 2.5, "margin": 3.0})


@pytest.fixture
def stored_problem(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf
) -> Callable[..., Problem]:
    """stored_problem(objectives, limits, stored): a problem without plugins."""

    def problem(objectives: Sequence[str], limits: dict[str, float], stored: Sequence[StoredObjective]) -> Problem:
        ours = problem_of(tiny_space)
        wanted = settings(objectives=tuple(objectives), limits=limits)
        return make_problem(wanted, tiny_space, ours.shape, ours.price_of, stored=stored)

    return problem


def test_stored_values_stand_in(stored_problem: Callable[..., Problem], small: Candidate) -> None:
    problem = stored_problem(["top1", "latency"], {"latency": 2.5, "margin": 3.0}, [LATENCY, MARGIN])
    assert problem.values(small) == (small.measurement.top1, 2.5)
    assert problem.costs(small) == (-small.measurement.top1, 2.5)
    assert [str(limit) for limit in problem.limits.limits] == ["latency of a chip at most 2.5 ms", "margin at least 3"]
    assert problem.feasible(small)
    slow = replace(small, plugin_values={"latency": 2.75, "margin": 1.5})
    assert problem.limits.excesses(slow) == {"latency": pytest.approx(0.1), "margin": 0.5}
    assert problem.valued(slow).plugin_values == slow.plugin_values
    problem.require_limits()
    assert (problem.unknown, len(problem.absent)) == ((), 3)
    with pytest.raises(UserError, match=r"^search.objectives: 'latency' is not one of the objectives"):
        problem.require_objectives()
    with pytest.raises(UserError, match=r"^search.limits.margin: at least 8.5 margin is more than there can be"):
        stored_problem(["top1", "energy"], {"margin": 8.5}, [MARGIN])


def test_what_is_absent_without_stored_values(stored_problem: Callable[..., Problem], small: Candidate) -> None:
    """Each is named, and what is known is used."""
    problem = stored_problem(["latency", "area", "margin"], {"area": 1.0, "latency": 2.0}, [LATENCY])
    assert [(each.key, each.name) for each in problem.unknown] == [
        ("search.objectives", "area"), ("search.objectives", "margin"), ("search.limits.area", "area")
    ]  # fmt: skip
    assert problem.objectives == ()
    assert problem.limits.after(small) == "breaks search.limits.latency"
    assert problem.valued(small).plugin_values == {"latency": 2.5}
    with pytest.raises(UserError, match=r"^search.limits.area: 'area' is not one of the objectives"):
        problem.require_limits()


def test_a_plugin_gives_values_under_the_name_of_its_entry_point(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf, small: Candidate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    point = EntryPoint("latency", "autospikformer_cli.search.objectives:TIME_STEP", OBJECTIVES.group)
    monkeypatch.setitem(OBJECTIVES.__dict__, "providers", {**OBJECTIVES.providers, "latency": (point,)})
    monkeypatch.setattr(OBJECTIVES, "_resolved", {})
    assert objective_of("latency", "search.objectives").name == "latency"
    problem = problem_of(tiny_space, settings(objectives=("top1", "latency"), limits={"latency": 1.0, "time_step": 4}))
    assert [each.to_stored() for each in problem.plugins] == [
        StoredObjective("latency", "time steps", "", "less", 0.0)
    ], "no objective of ours is stored"
    assert problem.limits.after(small) == "breaks search.limits.latency"
    assert problem.valued(small).plugin_values == {"latency": 2.0}
    for torn in (replace(small.measurement, images=0), replace(small.measurement, non_finite=1)):
        assert isnan(problem.valued(replace(small, measurement=torn)).plugin_values["latency"])


def test_candidates_that_differ_in_an_objective_differ(
    tiny_space: SearchSpace, problem_of: ProblemOf, small: Candidate
) -> None:
    def with_latency(id_: str, value: float) -> Candidate:
        return replace(small, id=id_, plugin_values={"latency": value})

    nan, archive = float("nan"), []
    for number, value in enumerate((2.5, 2.5, 3.0, nan, nan)):
        archive.append(with_latency(f"c{number}", value))
    found = different(problem_of(tiny_space).fitness.score(archive).ranked)
    assert [alike.ids for alike in found] == [("c0", "c1"), ("c2",), ("c3", "c4")]
