"""Ask/tell: budgets, distinctness, resuming, spaces that end."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.generations import Unseen, UnusableState
from autospikformer_cli.search.hypervolume import Reference
from autospikformer_cli.search.limits import Limits, Refusals
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.sorting import crowding, fronts
from autospikformer_cli.space import BLOCK_GENES, SearchSpace, Subnet

Measure = Callable[[Sequence[Subnet], int], list[Candidate]]
Make = Callable[..., Algorithm]
ProblemOf = Callable[..., Problem]
SAMPLING = ["evolution", "random", "nsga2", "predictor"]
"""Algorithms for spaces of any size."""
FEWER_GENERATIONS = {"predictor": 3}
"""Each of its generations fits models and draws a pool. The third one is predicted from predicted ones, too."""


@pytest.fixture(scope="session")
def make(settings: Callable[..., Any], problem_of: ProblemOf) -> Make:
    """make(space, seed, algorithm="nsga2", ...): a new search."""

    def algorithm(space: SearchSpace, seed: int = 0, **keys: Any) -> Algorithm:
        wanted = settings(**keys)
        return make_algorithm(wanted, problem_of(space, wanted), seed)

    return algorithm


def run(search: Algorithm, measure: Measure) -> list[Candidate]:
    archive: list[Candidate] = []
    while asked := search.ask():
        told = measure(asked, search.generation)
        search.tell(told)
        archive += told
    return archive


@pytest.mark.parametrize("name", SAMPLING)
def test_the_budget_is_population_times_generations_of_distinct_members(
    name: str, paper_space: SearchSpace, measure: Measure, make: Make
) -> None:
    generations = 2 * FEWER_GENERATIONS.get(name, 10)
    search = make(paper_space, algorithm=name, population=50, parents=20, generations=generations)
    archive = run(search, measure)
    assert search.total == len(archive) == 50 * generations
    assert len({candidate.subnet for candidate in archive}) == 50 * generations
    assert all(candidate.subnet in paper_space for candidate in archive)
    assert [candidate.generation for candidate in archive] == [number // 50 for number in range(50 * generations)]
    assert search.note == ""
    assert search.ask() == []


@pytest.mark.parametrize("name", SAMPLING)
def test_a_seed_decides_everything(name: str, paper_space: SearchSpace, measure: Measure, make: Make) -> None:
    first, again, other = (run(make(paper_space, seed, algorithm=name), measure) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("name", "of_paper_space", "of_tiny_space"),
    [("evolution", "0d305bf37863deb7", "6b9551f0f6785549"), ("random", "a14cbc7b41d0006c", "b703e8c9d7120ca6")],
)
def test_draws_are_those_of_stored_searches(
    name: str, of_paper_space: str, of_tiny_space: str, request: pytest.FixtureRequest, measure: Measure, make: Make
) -> None:
    """A search that was begun before limits were known goes on as it would have."""
    for space, expected in (("paper_space", of_paper_space), ("tiny_space", of_tiny_space)):
        archive = run(make(request.getfixturevalue(space), 7, algorithm=name), measure)
        asked = "\n".join(str(candidate.subnet) for candidate in archive)
        assert sha256(asked.encode()).hexdigest()[:16] == expected


LIMITED = {"params": 5.5e6, "energy": 2.5e-6}


@pytest.mark.parametrize("limits", [{}, LIMITED], ids=["free", "limited"])
@pytest.mark.parametrize("name", [*SAMPLING, "exhaustive"])
@pytest.mark.parametrize("asked", [False, True], ids=["told", "asked"])
def test_resuming_at_every_generation_gives_the_same_search(
    name: str, asked: bool, limits: dict[str, float], request: pytest.FixtureRequest, measure: Measure, make: Make,
    settings: Callable[..., Any], problem_of: ProblemOf,
) -> None:  # fmt: skip
    small = name == "exhaustive"
    space = request.getfixturevalue("tiny_space" if small else "paper_space")
    bounds = ({"params": 230_000.0} if small else LIMITED) if limits else {}
    generations = FEWER_GENERATIONS.get(name, 5)
    wanted = settings(algorithm=name, limits=bounds, generations=generations)
    whole_search = make_algorithm(wanted, problem_of(space, wanted), 7)
    whole = run(whole_search, measure)
    expected = (12 if limits else 24) if small else 10 * generations
    assert (len(whole), bool(whole_search.refusals.by_limit)) == (expected, bool(limits))
    for stop in range(-(-len(whole) // wanted.population) + 1):
        search = make_algorithm(wanted, problem_of(space, wanted), 7)
        archive: list[Candidate] = []
        for _ in range(stop):
            told = measure(search.ask(), search.generation)
            archive += told
            search.tell(told)
        pending = search.ask() if asked else []
        state = json.loads(json.dumps(search.state()))
        half_measured = measure(pending[:3], search.generation)
        problem = problem_of(space, wanted)
        resumed = make_algorithm(wanted, problem, 999, state, [*archive, *half_measured])
        if asked and pending:
            assert resumed.ask() == pending
        assert archive + run(resumed, measure) == whole
        if not asked:
            assert resumed.state() == whole_search.state()
            assert resumed.note == whole_search.note


@pytest.mark.parametrize("name", SAMPLING)
def test_a_space_smaller_than_the_budget_ends_and_says_so(
    name: str, tiny_space: SearchSpace, measure: Measure, make: Make
) -> None:
    search = make(tiny_space, algorithm=name)
    assert search.total == 24
    assert search.note == ""
    archive = run(search, measure)
    assert [candidate.generation for candidate in archive] == [0] * 10 + [1] * 10 + [2] * 4
    assert {candidate.subnet for candidate in archive} == set(tiny_space.members())
    assert search.note == "the space has only 24 subnets: all were measured"


def test_a_space_smaller_than_the_population_is_measured_in_one_generation(
    tiny_space: SearchSpace, measure: Measure, make: Make
) -> None:
    search = make(tiny_space, population=50, generations=1)
    assert len(run(search, measure)) == 24
    assert search.note == "the space has only 24 subnets: all were measured"


@pytest.mark.parametrize("name", [*SAMPLING, "exhaustive"])
def test_a_space_of_one_subnet(name: str, tiny_space: SearchSpace, measure: Measure, make: Make) -> None:
    only = tiny_space.smallest()
    space = SearchSpace((1,), only.mlp_ratio, only.num_heads, only.threshold, only.tau, (2,), (8,))
    search = make(space, algorithm=name)
    assert [candidate.subnet for candidate in run(search, measure)] == [only]
    assert search.note == "the space has only 1 subnet: all were measured"


def test_a_budget_that_is_the_whole_space_ends_without_a_note(
    tiny_space: SearchSpace, measure: Measure, make: Make
) -> None:
    search = make(tiny_space, population=12, generations=2)
    assert len(run(search, measure)) == 24
    assert search.note == ""


@pytest.mark.parametrize("name", ["evolution", "nsga2"])
def test_operators_that_change_nothing_leave_the_generation_random(
    name: str, paper_space: SearchSpace, measure: Measure, make: Make
) -> None:
    archive = run(make(paper_space, algorithm=name, parents=1, p_depth=0.0, p_mutation=0.0), measure)
    assert len({candidate.subnet for candidate in archive}) == 50


@pytest.mark.parametrize("name", ["evolution", "nsga2"])
def test_mutants_of_one_gene_differ_in_one_gene_from_a_parent(
    name: str, paper_space: SearchSpace, measure: Measure, make: Make
) -> None:
    """The second half of a generation: p_depth and p_mutation, both 0, do nothing."""
    search = make(paper_space, algorithm=name, mutation="one_gene", p_depth=0.0, p_mutation=0.0)
    first = search.ask()
    search.tell(measure(first, 0))
    for mutant in search.ask()[5:]:
        shapes = [parent for parent in first if distance(parent, mutant) == 1]
        assert shapes, mutant


def distance(one: Subnet, other: Subnet) -> int:
    """Genes in which two subnets differ; a block that only one of them has does not count, its depth does."""
    fields = ("depth", "time_step", "embed_dim")
    single = sum(getattr(one, gene) != getattr(other, gene) for gene in fields)
    blocks = (zip(getattr(one, gene), getattr(other, gene), strict=False) for gene in BLOCK_GENES)
    return single + sum(a != b for pairs in blocks for a, b in pairs)


def test_the_last_unseen_members_of_a_large_space_are_found() -> None:
    thresholds = tuple(Decimal(value) for value in range(1, 174))
    space = SearchSpace((1, 2), (Decimal(4),), (1,), thresholds, (Decimal(2),), (2,), (8,))
    members = list(space.members())
    assert len(members) == space.size() == 30_102
    left = [members[20_000], members[5]]
    fresh = Unseen(space, Random(0), set(members) - set(left), Limits(), Refusals())
    fresh.fill(3, lambda: members[0])
    assert fresh.found == left[::-1]


def test_evolution_is_better_than_random_search_on_the_same_budget(
    paper_space: SearchSpace, measure: Measure, make: Make, problem_of: ProblemOf
) -> None:
    archives = {
        name: run(make(paper_space, 1, algorithm=name, generations=20), measure) for name in ("evolution", "random")
    }
    evolved = {candidate.subnet for candidate in archives["evolution"]}
    best = problem_of(paper_space).rank([*archives["evolution"], *archives["random"]])[:50]
    assert sum(candidate.subnet in evolved for candidate in best) > 45


def test_children_come_from_the_best_of_the_whole_archive(
    paper_space: SearchSpace, measure: Measure, make: Make, problem_of: ProblemOf
) -> None:
    search = make(paper_space, 5, population=10, parents=2, p_depth=0.0)
    first = measure(search.ask(), 0)
    search.tell(first)
    best = [candidate.subnet for candidate in problem_of(paper_space).rank(first)[:2]]
    shapes = {(parent.time_step, parent.embed_dim) for parent in best}
    crossed, mutants = search.ask()[:5], search.ask()[5:]
    times, dims = {time for time, _ in shapes}, {dim for _, dim in shapes}
    assert all(child.time_step in times and child.embed_dim in dims for child in crossed)
    assert all((child.time_step, child.embed_dim) in shapes for child in mutants)


@pytest.mark.parametrize("name", SAMPLING)
def test_one_parent_or_none_is_no_obstacle(name: str, paper_space: SearchSpace, measure: Measure, make: Make) -> None:
    assert len(run(make(paper_space, algorithm=name, parents=1), measure)) == 50
    assert len(run(make(paper_space, algorithm=name, population=1, parents=1), measure)) == 5

    def broken(subnets: Sequence[Subnet], generation: int) -> list[Candidate]:
        measured = measure(subnets, generation)
        return [replace(each, measurement=replace(each.measurement, non_finite=1)) for each in measured]

    assert len(run(make(paper_space, algorithm=name), broken)) == 50


def test_survivors_of_nsga2_are_the_best_fronts(
    paper_space: SearchSpace, measure: Measure, problem_of: ProblemOf, settings: Callable[..., Any]
) -> None:
    """Of parents and offspring together: whole fronts, and of the one that is cut the least crowded."""
    wanted = settings(algorithm="nsga2", population=20, generations=6)
    problem = problem_of(paper_space, wanted)
    search: Any = make_algorithm(wanted, problem, 2)
    before: list[Candidate] = []
    cut = 0
    while asked := search.ask():
        told = measure(asked, search.generation)
        together = [*before, *told]
        search.tell(told)
        before = list(search._survivors)
        kept = {candidate.subnet for candidate in before}
        assert len(kept) == 20
        costs = [problem.costs(candidate) or () for candidate in together]
        room = 20
        for front in fronts(costs):
            inside = [together[place].subnet in kept for place in front]
            assert sum(inside) == min(room, len(front))
            room -= sum(inside)
            distances = crowding([costs[place] for place in front])
            taken = [distance for distance, survives in zip(distances, inside, strict=True) if survives]
            left = [distance for distance, survives in zip(distances, inside, strict=True) if not survives]
            if taken and left:
                cut += 1
                assert min(taken) >= max(left)
    assert cut


def test_nsga2_is_better_than_random_search_on_the_same_budget(
    paper_space: SearchSpace, measure: Measure, make: Make, problem_of: ProblemOf
) -> None:
    problem = problem_of(paper_space)
    box = Reference(problem.objectives, (0.0, 7e-6), (100.0, 0.0))
    shares = {}
    for name in ("nsga2", "random"):
        archive = run(make(paper_space, 1, algorithm=name, generations=20), measure)
        shares[name] = box.share([problem.values(candidate) or () for candidate in archive])
    assert shares["nsga2"] > shares["random"]


def test_three_objectives_keep_small_subnets(paper_space: SearchSpace, measure: Measure, make: Make) -> None:
    """What costs more energy and is less accurate survives where it has the fewest parameters."""
    search: Any = make(paper_space, 3, algorithm="nsga2", objectives=("top1", "energy", "params"), generations=8)
    archive = run(search, measure)
    smallest = min(candidate.measurement.params for candidate in archive)
    assert smallest in {candidate.measurement.params for candidate in search._survivors}


def test_exhaustive_measures_every_member_in_order(tiny_space: SearchSpace, measure: Measure, make: Make) -> None:
    search = make(tiny_space, algorithm="exhaustive", population=7, generations=4)
    archive = run(search, measure)
    assert [candidate.subnet for candidate in archive] == list(tiny_space.members())
    assert [candidate.generation for candidate in archive] == [0] * 7 + [1] * 7 + [2] * 7 + [3] * 3
    assert search.total == 24


def test_exhaustive_is_refused_where_the_budget_is_smaller(tiny_space: SearchSpace, make: Make) -> None:
    with pytest.raises(UserError) as error:
        make(tiny_space, algorithm="exhaustive", population=23, generations=1)
    assert str(error.value) == (
        'search.algorithm = "exhaustive": the space has 24 subnets, the budget is 23 '
        "(search.population 23 x search.generations 1)\n"
        "  raise search.generations, narrow [space], or choose another algorithm"
    )


def test_tell_takes_what_was_asked(tiny_space: SearchSpace, measure: Measure, make: Make) -> None:
    search = make(tiny_space, algorithm="random", population=5, generations=2)
    asked = search.ask()
    assert search.ask() == asked
    for wrong in (asked[:4], asked[::-1], []):
        with pytest.raises(ValueError, match="in the order asked"):
            search.tell(measure(wrong, 0))
    search.tell(measure(asked, 0))
    assert search.generation == 1


def test_the_state_does_not_grow_with_the_archive(paper_space: SearchSpace, measure: Measure, make: Make) -> None:
    search = make(paper_space)
    run(search, measure)
    state = search.state()
    assert set(state) == {"algorithm", "generation", "asked", "random", "short", "samples", "refused"}
    assert (state["algorithm"], state["generation"], state["asked"]) == ("evolution", 5, [])
    expected = Random(1)
    restored = make(paper_space, 1).state()["random"]
    assert restored == [expected.getstate()[0], list(expected.getstate()[1]), None]


def test_an_unknown_algorithm(tiny_space: SearchSpace, make: Make) -> None:
    with pytest.raises(UserError) as error:
        make(tiny_space, algorithm="annealing")
    assert str(error.value) == (
        "search.algorithm: 'annealing' is not one of the algorithms\n"
        "  the algorithms are evolution, exhaustive, nsga2, predictor, random"
    )


def test_a_state_of_another_algorithm(
    tiny_space: SearchSpace, make: Make, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    state = make(tiny_space, algorithm="random").state()
    with pytest.raises(UserError) as error:
        make_algorithm(settings(), problem_of(tiny_space), 0, state)
    assert str(error.value) == (
        "search.algorithm: the population was begun with 'random', not 'evolution'\n"
        "  search in another run, or go on with the algorithm that began"
    )


BROKEN = [
    ("generation", None),
    ("generation", -1),
    ("generation", True),
    ("asked", None),
    ("asked", "(1, 2)"),
    ("asked", ["(1, 2)"]),
    ("asked", ["(1, 9.5, 2, 1, 2, 2, 64)"]),
    ("asked", [3]),
    ("random", None),
    ("random", [3, [1, 2], None]),
    ("random", [3, "text", None]),
    ("random", [3, [2**80] * 625, None]),
    ("short", 1),
    ("samples", "many"),
    ("samples", -2),
    ("refused", [1]),
    ("refused", {"params": "many"}),
]


@pytest.mark.parametrize("name", [*SAMPLING, "exhaustive"])
@pytest.mark.parametrize(("key", "value"), BROKEN)
def test_a_state_that_lacks_what_the_search_wrote(
    name: str, key: str, value: Any, tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    wanted = settings(algorithm=name)
    problem = problem_of(tiny_space, wanted)
    state = json.loads(json.dumps(make_algorithm(wanted, problem, 0).state()))
    for wrong in ({**state, key: value}, {each: state[each] for each in state if each != key}):
        if key not in wrong and key in ("short", "samples", "refused"):
            make_algorithm(wanted, problem, 0, wrong)  # an aspk before 0.2 wrote none
            continue
        with pytest.raises(UnusableState, match=f"^its state has no usable {key}$"):
            make_algorithm(wanted, problem, 0, wrong)


def test_all_that_a_state_lacks_is_said_at_once(
    tiny_space: SearchSpace, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    with pytest.raises(UnusableState, match=r"^its state has no usable generation, asked, random, samples$"):
        make_algorithm(settings(), problem_of(tiny_space), 0, {"algorithm": "evolution", "samples": 1.5})


def test_exhaustive_goes_on_from_a_state_that_counts_no_samples(
    tiny_space: SearchSpace, measure: Measure, make: Make, settings: Callable[..., Any], problem_of: ProblemOf
) -> None:
    search = make(tiny_space, algorithm="exhaustive", population=7, generations=4)
    told = measure(search.ask(), 0)
    search.tell(told)
    state = {key: value for key, value in search.state().items() if key != "samples"}
    wanted = settings(algorithm="exhaustive", population=7, generations=4)
    resumed = make_algorithm(wanted, problem_of(tiny_space, wanted), 0, state, told)
    assert told + run(resumed, measure) == told + run(search, measure)
    assert resumed.state() == search.state()
