"""Search spaces and their members: written and read, counted, drawn, refused with exact messages."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autospikformer_cli.errors import UserError
from autospikformer_cli.space import (
    BLOCK_GENES,
    SearchSpace,
    Subnet,
    nearest,
    parse_subnet,
    parse_subnets,
    plain,
    subnet_from_tuple,
)

S_TS1 = "(2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348)"
SMALL = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(3), Decimal("3.2")),
    num_heads=(6,),
    threshold=(Decimal("0.6"), Decimal("1.2"), Decimal("1.4")),
    tau=(Decimal("1.25"), Decimal("2.5")),
    time_step=(2, 4),
    embed_dim=(336, 348, 360),
)


def choices(values: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda found: tuple(sorted(found)))


def spaces(most: int = 4) -> st.SearchStrategy[SearchSpace]:
    decimals = st.decimals(min_value="0.01", max_value=50, places=2)
    return st.builds(
        SearchSpace,
        depth=choices(st.integers(1, 5), most),
        mlp_ratio=choices(decimals, most),
        num_heads=choices(st.integers(1, 16), most),
        threshold=choices(decimals, most),
        tau=choices(decimals.map(lambda value: value + 1), most),
        time_step=choices(st.integers(1, 16), most),
        embed_dim=choices(st.integers(8, 512), most),
    )


def refused(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse_subnet(text)
    return caught.value


# Writing and reading


def test_a_subnet_of_the_paper() -> None:
    subnet = parse_subnet("(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)")
    assert subnet == Subnet(
        mlp_ratio=(Decimal("3.8"), Decimal("3.6")),
        num_heads=(12, 12),
        threshold=(Decimal("1.4"), Decimal(2)),
        tau=(Decimal(5), Decimal(2)),
        time_step=4,
        embed_dim=348,
    )
    assert str(subnet) == S_TS1
    assert subnet.depth == 2
    assert [subnet.hidden_dim(block) for block in range(2)] == [1322, 1252]
    assert subnet.to_numbers() == [2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348]
    assert all(isinstance(value, int) for value in subnet.to_numbers() if value == int(value))


@pytest.mark.parametrize(
    "text",
    [
        S_TS1,
        S_TS1.replace("(", "[").replace(")", "]"),
        S_TS1.strip("()"),
        S_TS1.replace(" ", ""),
        f"  {S_TS1}\n",
        S_TS1.replace(")", ",)"),
        S_TS1.replace(")", " , )"),
        "(2.0, 3.80, 3.6, 12.0, 12, 1.40, 2.00, 5, 2e0, 4, 3.48e2)",
    ],
)
def test_forms_that_are_read(text: str) -> None:
    assert str(parse_subnet(text)) == S_TS1


@given(spaces(), st.integers())
def test_what_is_written_reads_back(space: SearchSpace, seed: int) -> None:
    subnet = space.sample(Random(seed))
    assert parse_subnet(str(subnet)) == subnet
    assert subnet_from_tuple(subnet.to_tuple()) == subnet
    numbers = json.loads(json.dumps(subnet.to_numbers()), parse_float=Decimal)
    assert subnet_from_tuple(numbers) == subnet


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("3.80"), "3.8"), (Decimal("2.0"), "2"), (Decimal(100), "100"), (Decimal("1E+2"), "100"), (7, "7"),
     (Decimal("0.05"), "0.05")],
)  # fmt: skip
def test_numbers_are_written_plainly(value: Any, text: str) -> None:
    assert plain(value) == text


# What is refused

NO_NUMBERS_FIX = "write numbers in parentheses, for example '(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)'"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "()", "[]", "(", "((1))", "(1, 2]", "nan", "(1, nan, 1, 1, 2, 4, 8)", "(inf, 1)", "best", "(1; 2)",
        "1,,2", "(1e400, 4, 1, 1, 2, 4, 8)", "(1, 4, 1, 1, 2, 4, 1e999999999)", "(1e999999999999999)",
        "(1, 4, 1, 1e-999999999, 2, 4, 8)", "(1, 4, 1, 1, 2, 4, 8) (1)", "0e999999999",
    ],
)  # fmt: skip
def test_what_is_no_subnet(text: str) -> None:
    error = refused(text)
    assert (error.what, error.where, error.fix) == (f"{text!r} is not a subnet", "--subnet", NO_NUMBERS_FIX)


@pytest.mark.parametrize(
    "text",
    [
        "(1)",
        "(0, 4)",
        "(-1, 4, 1, 1, 2, 4, 8)",
        "(1.5, 4, 1, 1, 2, 4, 8)",
        "(1, 4, 1, 1, 2, 4)",
        "(2, 4, 1, 1, 2, 4, 8)",
        "(99999999999, 1)",
        "(9999999999999999999, 4, 1, 1, 2, 4, 8)",
    ],
)
def test_a_wrong_number_of_numbers(text: str) -> None:
    error = refused(text)
    assert error.what == (
        f"subnet {text} is not (depth, mlp_ratio x depth, num_heads x depth, threshold x depth, tau x depth, "
        "time_step, embed_dim)"
    )
    example = "(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)"
    assert (error.where, error.fix) == ("--subnet", f"a subnet of depth d has 4 d + 3 numbers, for example {example}")


def test_no_numbers_at_all() -> None:
    with pytest.raises(UserError, match=r"^--subnet: subnet \(\) is not \(depth, mlp_ratio x depth"):
        subnet_from_tuple([])


@pytest.mark.parametrize("text", ["(1, 4, 1.5, 1, 2, 4, 8)", "(1, 4, 1, 1, 2, 4.5, 8)", "(1, 4, 1, 1, 2, 4, 8.1)"])
def test_whole_numbers(text: str) -> None:
    error = refused(text)
    assert error.what == f"subnet {text}: head counts, time step and dimension are whole numbers"
    assert (error.where, error.fix) == ("--subnet", None)


NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals().map(str),
    st.floats().map(repr),
    st.tuples(st.integers(-9, 9), st.integers(-(10**12), 10**12)).map(lambda pair: f"{pair[0]}e{pair[1]}"),
)


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text("()[],.0123456789eE+-_ nainf", max_size=60),
        st.lists(NUMBERS, max_size=12).map(lambda numbers: f"({', '.join(numbers)})"),
        st.lists(NUMBERS, min_size=6, max_size=6).map(lambda numbers: f"(1, {', '.join(numbers)})"),
    )
)
@example("(" * 2000 + " " * 2000)
@example("1" * 5000)
@example("(1, 4, 1, 1, 2, 4, " + "9" * 5000 + ")")
@example("\udcff")
def test_any_text_is_a_subnet_or_a_users_mistake(text: str) -> None:
    with suppress(UserError):
        subnet = parse_subnet(text)
        assert parse_subnet(str(subnet)) == subnet
        SMALL.require(subnet)


# Members


def test_a_member_is_itself() -> None:
    subnet = parse_subnet("(1, 3.2, 6, 1.20, 2.5, 4, 348)")
    assert SMALL.require(subnet) is subnet
    assert subnet in SMALL


def test_every_gene_outside_is_named() -> None:
    subnet = parse_subnet("(3, 3, 3.1, 3.2, 6, 6, 12, 0.6, 0.6, 0.6, 1.25, 2, 2.5, 3, 340)")
    assert subnet not in SMALL
    with pytest.raises(UserError) as caught:
        SMALL.require(subnet)
    assert caught.value.what == (
        "subnet (3, 3, 3.1, 3.2, 6, 6, 12, 0.6, 0.6, 0.6, 1.25, 2, 2.5, 3, 340) is outside the search space: "
        "depth is 3, the choices are 1, 2; time_step is 3, the choices are 2, 4; "
        "embed_dim is 340, the choices are 336, 348, 360; mlp_ratio of block 1 is 3.1, the choices are 3, 3.2; "
        "num_heads of block 2 is 12, the choices are 6; tau of block 1 is 2, the choices are 1.25, 2.5"
    )
    assert caught.value.where == "--subnet"
    assert caught.value.fix == "choose a member, or widen [space] in the recipe and train again"


def test_size_of_the_papers_spaces() -> None:
    """Table 1, S_Ts with S_S: 6 ratios, 2 head counts, 8 thresholds, 36 taus a block; 3 depths, time steps; 5 dims."""
    tenths = [Decimal(n) / 10 for n in range(6, 21, 2)]
    quarters = [Decimal(n) / 4 for n in range(5, 41)]
    ratios = [Decimal(n) / 10 for n in range(30, 41, 2)]
    dims = tuple(range(336, 385, 12))
    space = SearchSpace((2, 3, 4), tuple(ratios), (6, 12), tuple(tenths), tuple(quarters), (2, 3, 4), dims)
    assert space.size() == (3456**2 + 3456**3 + 3456**4) * 3 * 5


@settings(max_examples=30)
@given(spaces(most=2).filter(lambda space: space.size() <= 3000))
def test_size_is_the_number_of_distinct_members(space: SearchSpace) -> None:
    members = list(space.members())
    assert len(members) == len(set(members)) == space.size()
    assert all(member in space for member in members)
    assert members == list(space.members())
    assert {space.largest(), space.smallest(), space.handmade()} <= set(members)


def test_the_small_space_by_count() -> None:
    assert SMALL.size() == (12 + 12**2) * 6 == len(set(SMALL.members()))


@given(
    spaces(),
    st.integers(),
    st.lists(st.sampled_from(["[1, 2, 3, 1, 2, 4, 8]", "(1,2,3,1,2,4,8)", " (1, 2, 3, 1, 2, 4, 8)"])),
)
def test_many_subnets_are_read_as_one_by_one(space: SearchSpace, seed: int, others: list[str]) -> None:
    random = Random(seed)
    texts = [*(str(space.sample(random)) for _ in range(8)), *others]
    random.shuffle(texts)
    assert parse_subnets(texts) == [parse_subnet(text) for text in texts]


@pytest.mark.parametrize(
    "wrong", ["(1, 2, 3, 1, 2, 4)", "(2, 2, 3, 1, 2, 4, 8)", "", "(1, 2, x, 1, 2, 4, 8)", "{1, 2, 3, 1, 2, 4, 8}"]
)
def test_one_wrong_subnet_of_many_is_a_mistake(wrong: str) -> None:
    with pytest.raises(UserError, match="subnet"):
        parse_subnets(["(1, 2, 3, 1, 2, 4, 8)", "(2, 1, 2, 1, 2, 1, 2, 1, 2, 4, 8)", wrong])


@given(spaces(), st.integers())
def test_what_is_drawn_is_a_member(space: SearchSpace, seed: int) -> None:
    subnet = space.sample(Random(seed))
    assert space.require(subnet) is subnet
    assert subnet == space.sample(Random(seed))
    assert {len(getattr(subnet, gene)) for gene in BLOCK_GENES} == {subnet.depth}


def test_draws_are_uniform() -> None:
    """Each gene's choices equally often, within 5 deviations; blocks are drawn on their own."""
    random = Random(1)
    drawn = [SMALL.sample(random) for _ in range(6000)]
    counts = {gene: Counter(getattr(subnet, gene) for subnet in drawn) for gene in ("depth", "time_step", "embed_dim")}
    counts |= {gene: Counter(value for subnet in drawn for value in getattr(subnet, gene)) for gene in BLOCK_GENES}
    for gene, count in counts.items():
        total, ways = count.total(), len(getattr(SMALL, gene))
        assert set(count) == set(getattr(SMALL, gene))
        assert all(abs(n - total / ways) < 5 * (total / ways) ** 0.5 for n in count.values()), gene
    assert any(len(set(subnet.threshold)) == 2 for subnet in drawn)


def test_largest_and_smallest() -> None:
    assert str(SMALL.largest()) == "(2, 3.2, 3.2, 6, 6, 1.2, 1.2, 2.5, 2.5, 4, 360)"
    assert str(SMALL.smallest()) == "(1, 3, 6, 1.2, 2.5, 2, 336)"


def test_handmade_is_the_nearest_to_spikformer() -> None:
    assert str(SMALL.handmade()) == "(2, 3.2, 3.2, 6, 6, 1.2, 1.2, 2.5, 2.5, 4, 360)"
    wide = SearchSpace(
        depth=(2, 3, 4, 6),
        mlp_ratio=(Decimal("3.8"), Decimal(4), Decimal("4.2")),
        num_heads=(6, 12, 16),
        threshold=(Decimal("0.8"), Decimal(1)),
        tau=(Decimal("1.75"), Decimal(2)),
        time_step=(2, 4, 6),
        embed_dim=(336, 384, 480),
    )
    assert str(wide.handmade()) == "(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)"


def test_of_two_as_near_the_smaller() -> None:
    assert nearest((1, 3), 2) == 1
    assert nearest((Decimal("0.8"), Decimal("1.2")), Decimal(1)) == Decimal("0.8")
