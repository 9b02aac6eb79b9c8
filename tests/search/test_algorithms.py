"""Ask/tell: budgets, distinctness, resuming, spaces that end."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.evolution import Evolution
from autospikformer_cli.search.fitness import Fitness
from autospikformer_cli.search.generations import Unseen
from autospikformer_cli.search.random_search import RandomSearch
from autospikformer_cli.space import SearchSpace, Subnet

MakeCandidate = Callable[..., Candidate]
Measure = Callable[[Sequence[Subnet], int], list[Candidate]]
Rank = Callable[[Sequence[Candidate]], Sequence[Candidate]]


@dataclass(frozen=True)
class Settings:
    """[search] of a recipe."""

    algorithm: str = "evolution"
    population: int = 10
    parents: int = 4
    generations: int = 5
    p_depth: float = 0.3
    p_mutation: float = 0.4


@pytest.fixture(scope="session")
def measure(make_candidate: MakeCandidate) -> Measure:
    """Stands in for a network: accuracy from the thresholds, energy from size and time steps."""

    def all_of(subnets: Sequence[Subnet], generation: int) -> list[Candidate]:
        return [
            make_candidate(
                float(90 - 10 * sum(abs(value - Decimal("1.2")) for value in subnet.threshold) / subnet.depth),
                subnet.depth * subnet.embed_dim * subnet.time_step,
                name=str(subnet),
                subnet=subnet,
                generation=generation,
            )
            for subnet in subnets
        ]

    return all_of


@pytest.fixture(scope="session")
def rank(energy_of: Callable[[Candidate], float]) -> Rank:
    return Fitness(0.5, "archive", energy_of).rank


def run(search: Algorithm, measure: Measure) -> list[Candidate]:
    archive: list[Candidate] = []
    while asked := search.ask():
        told = measure(asked, search.generation)
        search.tell(told)
        archive += told
    return archive


@pytest.mark.parametrize("name", ["evolution", "random"])
def test_the_budget_is_population_times_generations_of_distinct_members(
    name: str, paper_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    search = make_algorithm(Settings(name, population=50, parents=20, generations=20), paper_space, rank, 0)
    archive = run(search, measure)
    assert search.total == len(archive) == 1000
    assert len({candidate.subnet for candidate in archive}) == 1000
    assert all(candidate.subnet in paper_space for candidate in archive)
    assert [candidate.generation for candidate in archive] == [number // 50 for number in range(1000)]
    assert search.note == ""
    assert search.ask() == []


@pytest.mark.parametrize("name", ["evolution", "random"])
def test_a_seed_decides_everything(name: str, paper_space: SearchSpace, measure: Measure, rank: Rank) -> None:
    first, again, other = (run(make_algorithm(Settings(name), paper_space, rank, seed), measure) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["evolution", "random"])
@pytest.mark.parametrize("asked", [False, True], ids=["told", "asked"])
def test_resuming_at_every_generation_gives_the_same_search(
    name: str, asked: bool, paper_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    settings = Settings(name)
    whole = run(make_algorithm(settings, paper_space, rank, 7), measure)
    for stop in range(settings.generations + 1):
        search = make_algorithm(settings, paper_space, rank, 7)
        archive: list[Candidate] = []
        for _ in range(stop):
            archive += measure(search.ask(), search.generation)
            search.tell(archive[-settings.population :])
        pending = search.ask() if asked else []
        state = json.loads(json.dumps(search.state()))
        half_measured = measure(pending[:3], search.generation)
        resumed = make_algorithm(settings, paper_space, rank, 999, state, [*archive, *half_measured])
        if asked:
            assert resumed.ask() == pending
        assert archive + run(resumed, measure) == whole


@pytest.mark.parametrize("name", ["evolution", "random"])
def test_a_space_smaller_than_the_budget_ends_and_says_so(
    name: str, tiny_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    search = make_algorithm(Settings(name), tiny_space, rank, 0)
    assert search.total == 24
    assert search.note == ""
    archive = run(search, measure)
    assert [candidate.generation for candidate in archive] == [0] * 10 + [1] * 10 + [2] * 4
    assert {candidate.subnet for candidate in archive} == set(tiny_space.members())
    assert search.note == "the space has only 24 subnets: all were measured"


def test_a_space_smaller_than_the_population_is_measured_in_one_generation(
    tiny_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    search = make_algorithm(Settings(population=50, generations=1), tiny_space, rank, 0)
    assert len(run(search, measure)) == 24
    assert search.note == "the space has only 24 subnets: all were measured"


def test_a_space_of_one_subnet(tiny_space: SearchSpace, measure: Measure, rank: Rank) -> None:
    only = tiny_space.smallest()
    space = SearchSpace((1,), only.mlp_ratio, only.num_heads, only.threshold, only.tau, (2,), (8,))
    search = make_algorithm(Settings(), space, rank, 0)
    assert [candidate.subnet for candidate in run(search, measure)] == [only]
    assert search.note == "the space has only 1 subnet: all were measured"


def test_a_budget_that_is_the_whole_space_ends_without_a_note(
    tiny_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    search = make_algorithm(Settings(population=12, generations=2), tiny_space, rank, 0)
    assert len(run(search, measure)) == 24
    assert search.note == ""


def test_operators_that_change_nothing_leave_the_generation_random(
    paper_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    settings = Settings(parents=1, p_depth=0.0, p_mutation=0.0)
    archive = run(make_algorithm(settings, paper_space, rank, 0), measure)
    assert len({candidate.subnet for candidate in archive}) == 50


def test_the_last_unseen_members_of_a_large_space_are_found() -> None:
    thresholds = tuple(Decimal(value) for value in range(1, 174))
    space = SearchSpace((1, 2), (Decimal(4),), (1,), thresholds, (Decimal(2),), (2,), (8,))
    members = list(space.members())
    assert len(members) == space.size() == 30_102
    left = [members[20_000], members[5]]
    fresh = Unseen(space, Random(0), set(members) - set(left))
    fresh.fill(3, lambda: members[0])
    assert fresh.found == left[::-1]


def test_evolution_is_better_than_random_search_on_the_same_budget(
    paper_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    archives = {
        name: run(make_algorithm(Settings(name, generations=20), paper_space, rank, 1), measure)
        for name in ("evolution", "random")
    }
    evolved = {candidate.subnet for candidate in archives["evolution"]}
    best = rank([*archives["evolution"], *archives["random"]])[:50]
    assert sum(candidate.subnet in evolved for candidate in best) > 45


def test_children_come_from_the_best_of_the_whole_archive(
    paper_space: SearchSpace, measure: Measure, rank: Rank
) -> None:
    search = make_algorithm(Settings(population=10, parents=2, p_depth=0.0), paper_space, rank, 5)
    first = measure(search.ask(), 0)
    search.tell(first)
    best = [candidate.subnet for candidate in rank(first)[:2]]
    shapes = {(parent.time_step, parent.embed_dim) for parent in best}
    crossed, mutants = search.ask()[:5], search.ask()[5:]
    times, dims = {time for time, _ in shapes}, {dim for _, dim in shapes}
    assert all(child.time_step in times and child.embed_dim in dims for child in crossed)
    assert all((child.time_step, child.embed_dim) in shapes for child in mutants)


def test_one_parent_or_none_is_no_obstacle(paper_space: SearchSpace, measure: Measure, rank: Rank) -> None:
    assert len(run(make_algorithm(Settings(parents=1), paper_space, rank, 0), measure)) == 50
    assert len(run(make_algorithm(Settings(), paper_space, lambda archive: (), 0), measure)) == 50


def test_tell_takes_what_was_asked(tiny_space: SearchSpace, measure: Measure) -> None:
    search = RandomSearch(tiny_space, population=5, generations=2, seed=0)
    asked = search.ask()
    assert search.ask() == asked
    for wrong in (asked[:4], asked[::-1], []):
        with pytest.raises(ValueError, match="in the order asked"):
            search.tell(measure(wrong, 0))
    search.tell(measure(asked, 0))
    assert search.generation == 1


def test_the_state_does_not_grow_with_the_archive(paper_space: SearchSpace, measure: Measure, rank: Rank) -> None:
    search = make_algorithm(Settings(), paper_space, rank, 0)
    run(search, measure)
    state = search.state()
    assert set(state) == {"algorithm", "generation", "asked", "random"}
    assert (state["algorithm"], state["generation"], state["asked"]) == ("evolution", 5, [])
    expected = Random(1)
    restored = make_algorithm(Settings(), paper_space, rank, 1).state()["random"]
    assert restored == [expected.getstate()[0], list(expected.getstate()[1]), None]


def test_an_unknown_algorithm(tiny_space: SearchSpace, rank: Rank) -> None:
    with pytest.raises(UserError) as error:
        make_algorithm(Settings("annealing"), tiny_space, rank, 0)
    assert str(error.value) == "search.algorithm: 'annealing' is not a search algorithm\n  choose of evolution, random"


def test_a_state_of_another_algorithm(tiny_space: SearchSpace, rank: Rank) -> None:
    state = make_algorithm(Settings("random"), tiny_space, rank, 0).state()
    with pytest.raises(UserError) as error:
        make_algorithm(Settings(), tiny_space, rank, 0, state)
    assert str(error.value) == (
        "search.algorithm: the population was begun with 'random', not 'evolution'\n"
        "  search in another run, or go on with the algorithm that began"
    )


def test_evolution_is_an_algorithm(tiny_space: SearchSpace, rank: Rank) -> None:
    search: Algorithm = Evolution(
        tiny_space, population=2, parents=1, generations=1, p_depth=0.3, p_mutation=0.4, rank=rank, seed=0
    )
    assert len(search.ask()) == 2
