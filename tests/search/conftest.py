"""Measured candidates with chosen accuracy and energy, and spaces of a known size."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet

MakeCandidate = Callable[..., Candidate]


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
