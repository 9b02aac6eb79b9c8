"""The search space and its subnets: immutable values with exact decimals, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Literal, NamedTuple, TypeVar

from autospikformer_cli.errors import UserError

Number = int | Decimal
Choice = TypeVar("Choice", int, Decimal)

BLOCK_GENES = ("mlp_ratio", "num_heads", "threshold", "tau")
"""Genes with one value for each block, in the order of the paper's tuple."""

Half = Literal["attention", "mlp"]
HALVES: tuple[Half, ...] = ("attention", "mlp")
"""The residual branches of a block, in the order that they run."""

MOST_DIGITS = 20
"""Before or after a number's point. 1e999999999 has ten characters, but memory cannot hold it as a whole number."""


def plain(value: Number) -> str:
    """A number without trailing zeros: 3.80 -> '3.8', 2.0 -> '2'."""
    text = f"{Decimal(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class BlockHalf(NamedTuple):
    """One residual branch of one block. block: its number, from 0."""

    block: int
    half: Half


@dataclass(frozen=True, slots=True)
class Subnet:
    """A member of a search space: the genome of a Spikformer (paper, Table 3).

    mlp_ratio, num_heads, threshold, tau: one value for each block. tau is in time steps, threshold is dimensionless.
    """

    mlp_ratio: tuple[Decimal, ...]
    num_heads: tuple[int, ...]
    threshold: tuple[Decimal, ...]
    tau: tuple[Decimal, ...]
    time_step: int
    embed_dim: int

    @property
    def depth(self) -> int:
        """Number of encoder blocks."""
        return len(self.mlp_ratio)

    def hidden_dim(self, block: int) -> int:
        """Hidden neurons of a block's MLP: the exact product embed_dim x mlp_ratio, rounded down."""
        return int(self.embed_dim * self.mlp_ratio[block])

    def halves(self, block: int) -> tuple[Half, ...]:
        """The residual branches that a block has."""
        return HALVES

    def present_halves(self) -> list[BlockHalf]:
        """The residual branches of all blocks, in the order that they run."""
        return [BlockHalf(block, half) for block in range(self.depth) for half in self.halves(block)]

    def to_tuple(self) -> tuple[Number, ...]:
        """The paper's tuple: depth, ratios, heads, thresholds, taus, time step, dimension.

        >>> print(parse_subnet("(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)"))
        (2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348)
        """
        per_block = (value for gene in BLOCK_GENES for value in getattr(self, gene))
        return (self.depth, *per_block, self.time_step, self.embed_dim)

    def to_numbers(self) -> list[int | float]:
        """The paper's tuple as JSON numbers."""
        return [int(value) if value == int(value) else float(value) for value in self.to_tuple()]

    def __str__(self) -> str:
        return "(" + ", ".join(plain(value) for value in self.to_tuple()) + ")"


@dataclass(frozen=True, slots=True)
class AblatedSubnet(Subnet):
    """A subnet without some of its residual branches. It is no member of a space, and is never stored.

    absent: the branches that it lacks. The stream passes them unchanged. Blocks keep their numbers, and so do genes.
    """

    absent: frozenset[BlockHalf]

    @classmethod
    def of(cls, subnet: Subnet, absent: Iterable[BlockHalf]) -> AblatedSubnet:
        """A subnet without these branches."""
        genes = {gene: getattr(subnet, gene) for gene in (*BLOCK_GENES, "time_step", "embed_dim")}
        return cls(**genes, absent=frozenset(absent))

    def halves(self, block: int) -> tuple[Half, ...]:
        """The residual branches that a block has: those that are not absent."""
        return tuple(half for half in HALVES if (block, half) not in self.absent)


def subnet_from_tuple(values: Sequence[Number]) -> Subnet:
    """A subnet from the paper's tuple. Raises UserError if its length is wrong or a gene is not whole."""
    shown = "(" + ", ".join(plain(value) for value in values) + ")"
    depth = values[0] if values else Decimal(0)
    if depth != int(depth) or depth < 1 or len(values) != 3 + 4 * int(depth):
        raise UserError(
            f"subnet {shown} is not (depth, mlp_ratio x depth, num_heads x depth, threshold x depth, tau x depth, "
            "time_step, embed_dim)",
            "--subnet",
            "a subnet of depth d has 4 d + 3 numbers, for example (2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)",
        )
    d = int(depth)
    ratios, heads, thresholds, taus = (values[1 + i * d : 1 + (i + 1) * d] for i in range(4))
    whole = (*heads, *values[-2:])
    if any(value != int(value) for value in whole):
        raise UserError(f"subnet {shown}: head counts, time step and dimension are whole numbers", "--subnet")
    return Subnet(
        mlp_ratio=tuple(Decimal(v) for v in ratios),
        num_heads=tuple(int(v) for v in heads),
        threshold=tuple(Decimal(v) for v in thresholds),
        tau=tuple(Decimal(v) for v in taus),
        time_step=int(values[-2]),
        embed_dim=int(values[-1]),
    )


def parse_subnet(text: str) -> Subnet:
    """A subnet from '(2, 3.8, ...)' or '[2, 3.8, ...]'. Raises UserError for any other text."""
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("()", "[]"):
        inner = inner[1:-1].rstrip()
    try:
        values = [Decimal(part.strip()) for part in inner.removesuffix(",").split(",")]
    except InvalidOperation:
        values = []
    if not values or not all(value.is_finite() and abs(value.adjusted()) < MOST_DIGITS for value in values):
        raise UserError(
            f"{text!r} is not a subnet",
            "--subnet",
            "write numbers in parentheses, for example '(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)'",
        )
    return subnet_from_tuple(values)


def parse_subnets(texts: Iterable[str]) -> list[Subnet]:
    """Many subnets, each as `parse_subnet` reads it. Genes have few values, so each is read once."""
    known: dict[str, Decimal] = {}
    wholes: dict[str, int] = {}

    def of(text: str) -> Subnet:
        parts = text[1:-1].split(", ")
        d = (len(parts) - 3) // 4
        try:
            ratios = tuple(map(known.__getitem__, parts[1 : d + 1]))
            heads = tuple(map(wholes.__getitem__, parts[d + 1 : 2 * d + 1]))
            thresholds = tuple(map(known.__getitem__, parts[2 * d + 1 : 3 * d + 1]))
            taus = tuple(map(known.__getitem__, parts[3 * d + 1 : -2]))
            if wholes[parts[0]] == d and len(parts) == 4 * d + 3 and text[0] + text[-1] == "()":
                return Subnet(ratios, heads, thresholds, taus, wholes[parts[-2]], wholes[parts[-1]])
        except KeyError:
            pass
        subnet = parse_subnet(text)
        for value in subnet.to_tuple():
            known[plain(value)] = Decimal(value)
            if value == int(value):
                wholes[plain(value)] = int(value)
        return subnet

    return [of(text) for text in texts]


def is_subnet_text(text: object) -> bool:
    """Whether something read from a file is a subnet's text."""
    if not isinstance(text, str):
        return False
    try:
        parse_subnet(text)
    except UserError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The choices of each gene, ascending and without repetition (paper, Table 1)."""

    depth: tuple[int, ...]
    mlp_ratio: tuple[Decimal, ...]
    num_heads: tuple[int, ...]
    threshold: tuple[Decimal, ...]
    tau: tuple[Decimal, ...]
    time_step: tuple[int, ...]
    embed_dim: tuple[int, ...]

    def size(self) -> int:
        """The exact number of distinct subnets."""
        per_block = len(self.mlp_ratio) * len(self.num_heads) * len(self.threshold) * len(self.tau)
        blocks: int = sum(per_block**depth for depth in self.depth)
        return blocks * len(self.time_step) * len(self.embed_dim)

    def faults(self, subnet: Subnet) -> Iterator[str]:
        """The faults, gene by gene, that put a subnet outside the space; none for a member."""
        singles = [(gene, getattr(subnet, gene)) for gene in ("depth", "time_step", "embed_dim")]
        blocks = [
            (gene, value, f" of block {block}")
            for gene in BLOCK_GENES
            for block, value in enumerate(getattr(subnet, gene))
        ]
        for gene, value, place in [(gene, value, "") for gene, value in singles] + blocks:
            choices: tuple[Number, ...] = getattr(self, gene)
            if value not in choices:
                yield f"{gene}{place} is {plain(value)}, the choices are {', '.join(map(plain, choices))}"

    def __contains__(self, subnet: Subnet) -> bool:
        return next(self.faults(subnet), None) is None

    def require(self, subnet: Subnet) -> Subnet:
        """The subnet itself, if it is a member. Otherwise raises UserError, with every gene at fault."""
        faults = list(self.faults(subnet))
        if faults:
            raise UserError(
                f"subnet {subnet} is outside the search space: {'; '.join(faults)}",
                "--subnet",
                "choose a member, or widen [space] in the recipe and train again",
            )
        return subnet

    def sample(self, random: Random) -> Subnet:
        """A random subnet: the depth, then every gene, drawn uniformly from its choices."""
        depth = random.choice(self.depth)
        return Subnet(
            mlp_ratio=tuple(random.choice(self.mlp_ratio) for _ in range(depth)),
            num_heads=tuple(random.choice(self.num_heads) for _ in range(depth)),
            threshold=tuple(random.choice(self.threshold) for _ in range(depth)),
            tau=tuple(random.choice(self.tau) for _ in range(depth)),
            time_step=random.choice(self.time_step),
            embed_dim=random.choice(self.embed_dim),
        )

    def members(self) -> Iterator[Subnet]:
        """All subnets of the space, one at a time, in a fixed order. A space can be very large."""
        from itertools import product

        for depth in self.depth:
            by_block = (getattr(self, gene) for gene in BLOCK_GENES for _ in range(depth))
            for values in product(*by_block, self.time_step, self.embed_dim):
                ratio, heads, threshold, tau = (values[gene * depth : (gene + 1) * depth] for gene in range(4))
                yield Subnet(ratio, heads, threshold, tau, values[-2], values[-1])

    def _extreme(self, end: int) -> Subnet:
        """The smallest (end 0) or largest (end -1) subnet, with the threshold nearest 1 and the tau nearest 2."""
        depth = self.depth[end]
        return Subnet(
            mlp_ratio=(self.mlp_ratio[end],) * depth,
            num_heads=(self.num_heads[end],) * depth,
            threshold=(nearest(self.threshold, Decimal(1)),) * depth,
            tau=(nearest(self.tau, Decimal(2)),) * depth,
            time_step=self.time_step[end],
            embed_dim=self.embed_dim[end],
        )

    def largest(self) -> Subnet:
        """The subnet with the largest choice of every gene that costs parameters or time steps."""
        return self._extreme(-1)

    def smallest(self) -> Subnet:
        """The subnet with the smallest choice of every gene that costs parameters or time steps."""
        return self._extreme(0)

    def handmade(self) -> Subnet:
        """The member nearest to Spikformer 4-384: 4 blocks, ratio 4, 12 heads, threshold 1, tau 2, T 4."""
        depth = nearest(self.depth, 4)
        return Subnet(
            mlp_ratio=(nearest(self.mlp_ratio, Decimal(4)),) * depth,
            num_heads=(nearest(self.num_heads, 12),) * depth,
            threshold=(nearest(self.threshold, Decimal(1)),) * depth,
            tau=(nearest(self.tau, Decimal(2)),) * depth,
            time_step=nearest(self.time_step, 4),
            embed_dim=nearest(self.embed_dim, 384),
        )


def nearest(choices: Iterable[Choice], target: Choice) -> Choice:
    """The choice nearest to the target; of two equally near, the smaller."""
    return min(choices, key=lambda value: (abs(value - target), value))
