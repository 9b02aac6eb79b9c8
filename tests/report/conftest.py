"""Rendering to text, and a small scored archive."""

from collections.abc import Callable
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from autospikformer_cli.measurement import Candidate, InputCount, Measurement, SpikeCount
from autospikformer_cli.search.fitness import Fitness
from autospikformer_cli.space import SearchSpace, parse_subnet

SUBNETS = (
    "(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)",
    "(2, 3.2, 3.0, 12, 6, 1.2, 1.0, 5, 5, 4, 348)",
    "(3, 3.2, 3.6, 3.2, 6, 12, 6, 1.4, 1.8, 0.8, 3, 5, 5, 4, 480)",
)
BASELINE = "(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)"


def candidate(name: str, text: str, correct: int, energy_nj: int, generation: int = 0) -> Candidate:
    """500 images, 10 neurons over 4 steps, parameters 4.684 M."""
    inputs = (InputCount("head", (energy_nj,), (1,), 1, 1),)
    spikes = (SpikeCount("lif", (correct * 2,) * 4, 10),)
    return Candidate(name, parse_subnet(text), generation, Measurement(correct, 500, 4_684_000, inputs, spikes, 0))


@pytest.fixture(scope="session")
def archive() -> list[Candidate]:
    """Two candidates that dominate the third."""
    numbers = ((400, 505_000), (380, 448_000), (370, 925_000))
    return [
        candidate(f"c{place}", text, correct, energy, place // 2)
        for place, (text, (correct, energy)) in enumerate(zip(SUBNETS, numbers, strict=True))
    ]


@pytest.fixture(scope="session")
def baseline() -> Candidate:
    return candidate("baseline", BASELINE, 390, 950_000, -1)


@pytest.fixture(scope="session")
def fitness() -> Fitness:
    return Fitness(0.5, "archive", lambda found: found.measurement.inputs[0].sums[0] * 1e-9)


@pytest.fixture(scope="session")
def render() -> Callable[[RenderableType, int], list[str]]:
    """Lines of a renderable on a plain console, without trailing blanks."""

    def lines(shown: RenderableType, width: int = 80) -> list[str]:
        console = Console(file=StringIO(), width=width, color_system=None)
        with console.capture() as captured:
            console.print(shown)
        return [line.rstrip() for line in captured.get().splitlines()]

    return lines


@pytest.fixture(scope="session")
def small_space() -> SearchSpace:
    """S_Ts (paper, Table 1) with some neurons."""
    return SearchSpace(
        depth=(2, 3, 4),
        mlp_ratio=tuple(Decimal(value) / 10 for value in range(30, 42, 2)),
        num_heads=(6, 12),
        threshold=(Decimal(1),),
        tau=(Decimal(2), Decimal(5)),
        time_step=(2, 3, 4),
        embed_dim=(336, 348, 360, 372, 384),
    )
