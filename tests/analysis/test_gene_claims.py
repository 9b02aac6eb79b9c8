"""The paper's claims: their list, and the verdict on archives in which they hold, do not hold, or cannot be told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import numpy as np
import pytest

from autospikformer_cli.analysis.gene_claims import ClaimedOf, JudgedClaim, gene_claims
from autospikformer_cli.analysis.gene_effects import OUTCOMES, gene_columns, gene_effects
from autospikformer_cli.analysis.gene_shares import GENES
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.space import Subnet, parse_subnet

SHARED = Path(os.environ.get("ASPK_SHARED") or Path(__file__).resolve().parents[3] / "shared")
PAPER = SHARED / "paper" / "auto-spikformer.md"
RECIPE = load_recipe("quickstart")
BASELINE = parse_subnet("(2, 4, 4, 4, 4, 1, 1, 2, 2, 4, 48)")
RATE_FALLS = "the firing rate falls as tau rises"
TAU_MORE = "tau alters the firing rate more than the threshold does"
TAU_ACCURACY = "tau alters accuracy substantially"
LARGEST_T = "the best have the largest T"
NARROWER = "the best have fewer channels than the baseline"


def judged(
    slopes: Mapping[str, Mapping[str, float]], noise: float = 0.5, num: int = 400, overrides: Mapping[str, object] = {},
    order: Callable[[Subnet], float] = lambda subnet: 0.0, best: int = 100,
) -> dict[str, JudgedClaim]:  # fmt: skip
    """Verdicts by claim, of random subnets whose outcomes are lines in standardised genes, ranked by `order`."""
    space, random = load_recipe("quickstart", overrides).space.search_space(), Random(0)
    subnets = sorted((space.sample(random) for _ in range(num)), key=lambda each: (order(each), random.random()))
    columns, draws = gene_columns(subnets), np.random.default_rng(0)
    outcomes: dict[str, list[float] | None] = {}
    for name in OUTCOMES:
        values = noise * draws.normal(size=num)
        for gene, slope in slopes.get(name, {}).items():
            values = values + slope * (columns[gene] - columns[gene].mean()) / columns[gene].std()
        outcomes[name] = values.tolist()
    found = ClaimedOf(gene_effects(subnets, outcomes, 0, 500), space, subnets, best, BASELINE).judged()
    return {each.claim.says: each for each in found}


def test_every_claim_is_whole() -> None:
    claims = gene_claims()
    assert len({claim.says for claim in claims}) == len(claims)
    assert [float(claim.section) for claim in claims] == sorted(float(claim.section) for claim in claims)
    for claim in claims:
        assert claim.gene in GENES
        assert claim.quote
        filled = {name for name in ("outcome", "direction", "than", "values") if getattr(claim, name)}
        needed = {"slope": {"outcome", "direction"}, "larger": {"outcome", "than"}, "favoured": {"values"}}
        assert filled == needed[claim.kind]
        assert claim.outcome in (*OUTCOMES, "")
        assert claim.direction in ("up", "down", "either", "")
        assert claim.values in ("max", "below baseline", "")


def letters(text: str) -> str:
    """Its letters and digits: the paper's text has formulas and breaks of lines."""
    return "".join(filter(str.isalnum, re.sub(r"\\[a-z]+|<.*?>", "", text))).lower()


@pytest.mark.skipif(not PAPER.is_file(), reason="no text of the paper: ../shared/paper is absent")
def test_the_quotes_are_the_papers() -> None:
    words = letters(PAPER.read_text(encoding="utf-8"))
    for part in (part for claim in gene_claims() for part in claim.quote.split("(...)")):
        assert letters(part) in words, part


@pytest.mark.parametrize(("slope", "verdict", "why"), [
    (-1.0, "confirmed", ""), (-0.045, "confirmed", ", but small"), (0.5, "not confirmed", ": the opposite"),
    (0.0, "not confirmed", ": about 0, within 0.1"),
])  # fmt: skip
def test_a_direction(slope: float, verdict: str, why: str) -> None:
    noise = 0.5 if slope < -0.5 else 1.0
    found = judged({"firing_rate": {"tau": slope}}, noise, num=4000)[RATE_FALLS]
    assert (found.verdict, found.because.endswith(why)) == (verdict, True), found.because
    assert "a time step of tau; standardised " in found.because
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(slope / np.hypot(slope, noise), abs=0.05)
    assert found.low < found.value < found.high


def test_a_wide_interval_with_zero_does_not_tell() -> None:
    found = judged({}, 1.0, num=60)[RATE_FALLS]
    assert found.verdict == "undecided"
    assert found.because.endswith(": the interval has 0 and is wide")


@pytest.mark.parametrize(("slope", "verdict"), [(0.6, "confirmed"), (-0.6, "confirmed"), (0.0, "not confirmed")])
def test_a_substantial_effect_in_either_direction(slope: float, verdict: str) -> None:
    assert judged({"top1": {"tau": slope}}, 1.0, num=3000)[TAU_ACCURACY].verdict == verdict


def test_an_effect_that_may_be_small_is_not_to_be_told() -> None:
    found = judged({"top1": {"tau": 0.1}}, 1.0, num=500)[TAU_ACCURACY]
    assert found.verdict == "undecided"
    assert found.because.endswith(": the interval has 0.1, the limit of a small effect")


def test_a_curve_is_an_effect_too() -> None:
    space, random = RECIPE.space.search_space(), Random(0)
    subnets = [space.sample(random) for _ in range(600)]
    tau = gene_columns(subnets)["tau"]
    z = (tau - tau.mean()) / tau.std()
    bent = z * z - np.polyfit(z, z * z, 1)[0] * z + 0.5 * np.random.default_rng(0).normal(size=600)
    outcomes = {"firing_rate": bent.tolist(), "energy_j": bent.tolist(), "top1": bent.tolist()}
    found = ClaimedOf(gene_effects(subnets, outcomes, 0, 500), space, subnets, 100, BASELINE).judged()
    by_name = {each.claim.says: each for each in found}
    assert by_name[TAU_ACCURACY].verdict == "confirmed"
    assert "curved by +" in by_name[TAU_ACCURACY].because
    assert by_name[RATE_FALLS].verdict != "confirmed"


def test_which_gene_alters_more() -> None:
    for tau, threshold, verdict in (
        (-0.8, -0.3, "confirmed"),
        (0.3, -0.8, "not confirmed"),
        (0.5, 0.5, "not confirmed"),
    ):
        found = judged({"firing_rate": {"tau": tau, "threshold": threshold}}, 0.3, num=2000)[TAU_MORE]
        assert found.verdict == verdict, found.because
    assert found.because.endswith(": about 0, within 0.1")
    assert judged({}, overrides={"space.tau": [2]})[TAU_MORE].because == "tau: it is the same in every candidate"


@pytest.mark.parametrize(("order", "num", "verdict", "why"), [
    (lambda subnet: -subnet.time_step, 400, "confirmed", ""),
    (lambda subnet: subnet.time_step, 400, "not confirmed", ": the opposite"),
    (lambda subnet: 0.0, 20_000, "not confirmed", ": no more often than by chance"),
    (lambda subnet: 0.0, 60, "undecided", ": by chance it would vary as much"),
])  # fmt: skip
def test_what_the_best_have(order: Callable[[Subnet], float], num: int, verdict: str, why: str) -> None:
    found = judged({}, num=num, order=order, best=num // 4)[LARGEST_T]
    assert (found.verdict, found.because.endswith(why)) == (verdict, True), found.because
    assert found.because.startswith("T 4: ")


def test_the_best_next_to_the_baseline() -> None:
    found = judged({}, order=lambda subnet: subnet.embed_dim)[NARROWER]
    assert found.verdict == "confirmed"
    assert found.because.startswith("dimension 32, 40: 100 % of the best 100 against ")


@pytest.mark.parametrize(("overrides", "claim", "why"), [
    ({"space.embed_dim": [48]}, NARROWER, "dimension: the space has no value below the baseline's"),
    ({"space.time_step": [4]}, LARGEST_T, "T 4: each of the 400 candidates has it"),
    ({"space.tau": [2]}, RATE_FALLS, "tau: it is the same in every candidate"),
])  # fmt: skip
def test_a_gene_that_does_not_vary_does_not_tell(overrides: Mapping[str, object], claim: str, why: str) -> None:
    found = judged({}, overrides=overrides)[claim]
    assert (found.verdict, found.because, found.value) == ("undecided", why, None)


@pytest.mark.parametrize("num", [0, 1])
def test_no_candidates_tell_nothing(num: int) -> None:
    assert {each.verdict for each in judged({}, num=num, best=num).values()} == {"undecided"}
