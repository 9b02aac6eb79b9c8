"""Effects of genes over archives that are made so that the effects are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from random import Random

import numpy as np
import pytest

from autospikformer_cli.analysis.gene_effects import (
    GENE_WORDS,
    SMALL,
    Estimate,
    GeneEffects,
    gene_columns,
    gene_effects,
)
from autospikformer_cli.analysis.gene_shares import GENES
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.space import SearchSpace, Subnet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

SPACE = load_recipe("quickstart").space.search_space()


def mean(values: tuple[Decimal, ...]) -> float:
    return float(sum(values)) / len(values)


def rate_of(subnet: Subnet) -> float:
    """Falls with tau and threshold, and does not know of other genes."""
    return 0.3 - 0.02 * mean(subnet.tau) - 0.05 * mean(subnet.threshold)


def drawn(num: int, seed: int = 0, space: SearchSpace = SPACE) -> list[Subnet]:
    random = Random(seed)
    return [space.sample(random) for _ in range(num)]


def effects_on(
    subnets: list[Subnet], outcome: Callable[[Subnet], float], noise: float = 0.0, resamples: int = 200
) -> GeneEffects:
    random = np.random.default_rng(1)
    values = [outcome(subnet) + noise * float(random.normal()) for subnet in subnets]
    return gene_effects(subnets, {"firing_rate": values}, seed=3, resamples=resamples)


def test_exact_slopes_are_found_exactly() -> None:
    found = effects_on(drawn(200), rate_of)
    slopes = {gene: found.effects[gene, "firing_rate"].slope for gene in GENES}
    assert slopes["tau"] == pytest.approx((-0.02, -0.02, -0.02))
    assert slopes["threshold"] == pytest.approx((-0.05, -0.05, -0.05))
    assert all(
        slopes[gene] == pytest.approx((0, 0, 0), abs=1e-12) for gene in GENES if gene not in ("tau", "threshold")
    )
    assert found.outcomes[0].r2 == pytest.approx(1.0)
    assert not found.untold
    assert not any(effect.is_curved for effect in found.effects.values())


def test_slopes_in_both_units_are_those_of_statsmodels() -> None:
    subnets = drawn(300)
    random = np.random.default_rng(0)
    values = np.array([rate_of(subnet) for subnet in subnets]) + 0.02 * random.normal(size=300)
    found = gene_effects(subnets, {"firing_rate": values.tolist()}, 0, 100)
    columns = gene_columns(subnets)
    x_NP = np.column_stack(list(columns.values()))
    expected = sm.OLS(values, sm.add_constant(x_NP)).fit()
    assert found.outcomes[0].r2 == pytest.approx(expected.rsquared)
    scale = x_NP.std(axis=0) / values.std()
    for gene, slope, scaled in zip(GENES, expected.params[1:], expected.params[1:] * scale, strict=True):
        effect = found.effects[gene, "firing_rate"]
        assert effect.slope.value == pytest.approx(slope, rel=1e-8)
        assert effect.standardised.value == pytest.approx(scaled, rel=1e-8)
        ratio = effect.slope.value / effect.standardised.value
        assert effect.slope == pytest.approx(effect.standardised.scaled(ratio))


def test_the_same_seed_gives_the_same_digits_and_another_one_others() -> None:
    first, again = (effects_on(drawn(100), rate_of, 0.02) for _ in range(2))
    assert first == again
    other = gene_effects(drawn(100), {"firing_rate": [rate_of(each) for each in drawn(100)]}, seed=4, resamples=200)
    assert other.effects != first.effects


def test_a_curve_is_told_from_a_line() -> None:
    def curved(subnet: Subnet) -> float:
        return (mean(subnet.tau) - 3.0) ** 2 + mean(subnet.threshold)

    found = effects_on(drawn(300), curved, 0.1)
    assert found.effects["tau", "firing_rate"].is_curved
    bend = found.effects["tau", "firing_rate"].bend
    assert bend is not None
    assert bend.low > SMALL
    assert not found.effects["threshold", "firing_rate"].is_curved
    assert not effects_on(drawn(60), curved, 0.1).effects["tau", "firing_rate"].is_curved, "too few to see it"
    assert effects_on(drawn(60), curved, 0.1).effects["tau", "firing_rate"].bend is None


def test_constant_genes_are_not_told_and_do_not_disturb() -> None:
    narrow = load_recipe("quickstart", {"space.tau": [2], "space.time_step": [4]}).space.search_space()
    found = effects_on(drawn(120, space=narrow), rate_of)
    assert {gene for gene, _ in found.untold} == {"tau", "time_step"}
    assert found.untold["tau", "firing_rate"] == "it is the same in every candidate"
    assert found.effects["threshold", "firing_rate"].slope == pytest.approx((-0.05, -0.05, -0.05))


def test_genes_that_move_together_are_not_told() -> None:
    together = [each for each in drawn(600) if (each.depth == 1) == (each.embed_dim == 32) and each.embed_dim < 48]
    found = effects_on(together, rate_of, 0.001)
    assert found.untold == {
        ("depth", "firing_rate"): "moves only with dimension",
        ("embed_dim", "firing_rate"): "moves only with depth",
    }
    assert found.effects["tau", "firing_rate"].slope.value == pytest.approx(-0.02, abs=5e-4)


@pytest.mark.parametrize("num", [0, 1, 7, 39])
def test_few_candidates_tell_nothing(num: int) -> None:
    found = effects_on(drawn(num), rate_of)
    assert not found.effects
    assert set(found.untold) == {(gene, "firing_rate") for gene in GENES}
    assert found.outcomes[0].mean == (None if num == 0 else pytest.approx(np.mean([rate_of(s) for s in drawn(num)])))


def test_what_has_no_outcome_or_a_constant_one_is_said() -> None:
    subnets = drawn(80)
    outcomes = {"firing_rate": None, "energy_j": [rate_of(each) for each in subnets], "top1": [97.0] * 80}
    found = gene_effects(subnets, outcomes, 0, 100)
    whys = {fit.outcome: fit.why_not for fit in found.outcomes}
    assert whys == {
        "firing_rate": "an ANN has no firing rate", "energy_j": "", "top1": "it is the same for every candidate",
    }  # fmt: skip
    assert {outcome for _, outcome in found.effects} == {"energy_j"}
    assert found.untold["tau", "top1"] == "it is the same for every candidate"
    nothing = gene_effects(subnets, {"top1": [97.0] * 80}, 0, 100)
    assert not nothing.effects


def test_networks_that_are_equal_are_drawn_together() -> None:
    """Each network four times, with other heads that have no effect: no certainty is gained by that."""
    single = drawn(100)
    random, heads = np.random.default_rng(2), Random(1)
    values = [rate_of(each) + 0.03 * float(random.normal()) for each in single]
    copies = [
        Subnet(each.mlp_ratio, tuple(heads.choice((2, 4)) for _ in each.num_heads), each.threshold, each.tau,
               each.time_step, each.embed_dim)
        for each in single for _ in range(4)
    ]  # fmt: skip
    once = gene_effects(single, {"firing_rate": values}, 0, 2000).effects["tau", "firing_rate"].standardised
    fourfold = {"firing_rate": [value for value in values for _ in range(4)]}
    four = gene_effects(copies, fourfold, 0, 2000, [number for number in range(100) for _ in range(4)])
    copied = four.effects["tau", "firing_rate"].standardised
    assert four.num_candidates == 400
    apart = gene_effects(copies, fourfold, 0, 2000).effects["tau", "firing_rate"].standardised
    assert apart.high - apart.low < 0.6 * (once.high - once.low), "drawn apart they would feign certainty"
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.1)
    assert four.effects["num_heads", "firing_rate"].standardised.lies_within(SMALL)


def test_which_effect_is_larger() -> None:
    found = effects_on(drawn(300), rate_of, 0.005)
    difference = found.how_much_larger("tau", "threshold", "firing_rate")
    assert isinstance(difference, Estimate)
    sizes = [abs(found.effects[gene, "firing_rate"].standardised.value) for gene in ("tau", "threshold")]
    assert difference.value == pytest.approx(sizes[0] - sizes[1])
    assert difference.low > 0
    back = found.how_much_larger("threshold", "tau", "firing_rate")
    assert back == pytest.approx((-difference.value, -difference.high, -difference.low))
    narrow = load_recipe("quickstart", {"space.threshold": [1]}).space.search_space()
    untold = effects_on(drawn(100, space=narrow), rate_of).how_much_larger("tau", "threshold", "firing_rate")
    assert untold == "threshold: it is the same in every candidate"


def test_every_gene_has_a_word() -> None:
    assert tuple(GENE_WORDS) == GENES
