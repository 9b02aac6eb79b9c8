"""Measured candidates with chosen accuracy and energy, spaces of a known size, and problems on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_params

MakeCandidate = Callable[..., Candidate]
SHAPE = NetworkShape(image_size=8, in_channels=1, num_classes=10, widest_dim=384, pooled_stages=(4,))


@dataclass(frozen=True)
class Settings:
    """[search] of a recipe."""

    algorithm: str = "evolution"
    population: int = 10
    parents: int = 4
    generations: int = 5
    mutation: str = "each_gene"
    p_depth: float = 0.3
    p_mutation: float = 0.4
    objectives: Sequence[str] = ("top1", "energy")
    limits: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.5
    normalise: str = "archive"
    bounds: None = None
    percentile: tuple[float, float] = (5.0, 95.0)


@pytest.fixture(scope="session")
def make_candidate() -> MakeCandidate:
    """Candidates of 10,000 images; the energy is stored in nJ as the sum of one input, to be priced as such."""
    one_block = parse_subnet("(1, 4, 1, 1, 2, 4, 8)")

    def make(
        top1: float,
        energy_nj: int,
        *,
        name: str = "c",
        subnet: Subnet = one_block,
        generation: int = 0,
        params: int = 1,
    ) -> Candidate:
        inputs = (InputCount("only", (energy_nj,), (energy_nj,), 1, 1),)
        measured = Measurement(round(top1 * 100), 10_000, params, inputs, (), 0)
        return Candidate(name, subnet, generation, measured)

    return make


@pytest.fixture(scope="session")
def energy_of() -> Callable[[Candidate], float]:
    """Joules of a candidate of `make_candidate`."""
    return lambda candidate: candidate.measurement.inputs[0].sums[0] * 1e-9


@pytest.fixture(scope="session")
def tiny_space() -> SearchSpace:
    """24 subnets: depths 1 and 2 of 2 thresholds, 2 time steps, 2 dimensions."""
    return SearchSpace(
        depth=(1, 2),
        mlp_ratio=(Decimal(4),),
        num_heads=(1,),
        threshold=(Decimal("0.6"), Decimal(1)),
        tau=(Decimal(2),),
        time_step=(2, 4),
        embed_dim=(8, 16),
    )


@pytest.fixture(scope="session")
def paper_space() -> SearchSpace:
    """S_Ts with S_S (paper, Table 1)."""

    def steps(low: str, high: str, step: str) -> tuple[Decimal, ...]:
        count = int((Decimal(high) - Decimal(low)) / Decimal(step))
        return tuple(Decimal(low) + place * Decimal(step) for place in range(count + 1))

    return SearchSpace(
        depth=(2, 3, 4),
        mlp_ratio=steps("3.0", "4.0", "0.2"),
        num_heads=(6, 12),
        threshold=steps("0.6", "2.0", "0.2"),
        tau=steps("1.25", "10", "0.25"),
        time_step=(2, 3, 4),
        embed_dim=(336, 348, 360, 372, 384),
    )


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Settings(algorithm="evolution", population=10, ...)."""
    return Settings


@pytest.fixture(scope="session")
def problem_of(energy_of: Callable[[Candidate], float]) -> Callable[..., Problem]:
    """The problem of a space and settings; the candidates' synaptic operations are their energy in nJ."""

    def problem(space: SearchSpace, wanted: Settings | None = None) -> Problem:
        def price_of(candidate: Candidate) -> Price:
            return Price(energy_of(candidate), energy_of(candidate) * 1e9)

        return make_problem(wanted or Settings(), space, SHAPE, price_of)

    return problem


@pytest.fixture(scope="session")
def params_of() -> Callable[[Subnet], int]:
    """Parameters of a subnet in the network of `problem_of`."""
    return lambda subnet: num_params(SHAPE, subnet)


@pytest.fixture(scope="session")
def measure(make_candidate: MakeCandidate, params_of: Callable[[Subnet], int]) -> Callable[..., list[Candidate]]:
    """Stands in for a network: accuracy from the thresholds, energy from size and time steps."""

    def all_of(subnets: Sequence[Subnet], generation: int) -> list[Candidate]:
        return [
            make_candidate(
                float(90 - 10 * sum(abs(value - Decimal("1.2")) for value in subnet.threshold) / subnet.depth),
                subnet.depth * subnet.embed_dim * subnet.time_step,
                name=str(subnet),
                subnet=subnet,
                generation=generation,
                params=params_of(subnet),
            )
            for subnet in subnets
        ]

    return all_of
