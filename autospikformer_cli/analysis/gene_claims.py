"""What the paper claims of the effects of genes, and whether an archive bears it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import tomli

from autospikformer_cli.analysis.gene_effects import GENE_WORDS, SMALL, Estimate, GeneEffects
from autospikformer_cli.analysis.gene_shares import ShareTest, share_test
from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.space import Number, SearchSpace, Subnet, plain
from autospikformer_cli.units import format_energy
from autospikformer_cli.wording import counted

ClaimVerdict = Literal["confirmed", "not confirmed", "undecided"]
PER_UNIT = {
    "depth": "a block", "mlp_ratio": "a unit of ratio", "num_heads": "a head", "threshold": "a unit of threshold",
    "tau": "a time step of tau", "time_step": "a time step", "embed_dim": "a channel",
}  # fmt: skip
SAME_LIFT = 0.1
"""A lift within 1 -+ this is taken for no difference."""


@dataclass(frozen=True)
class GeneClaim:
    """A claim of the paper, as gene_claims.toml has it. What does not belong to its kind is empty."""

    section: str
    quote: str
    says: str
    kind: Literal["slope", "larger", "favoured"]
    gene: str
    outcome: str = ""
    direction: Literal["up", "down", "either", ""] = ""
    than: str = ""
    values: Literal["max", "below baseline", ""] = ""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim, what the archive says of it, and the figure that decides it, in words.

    value, low, high: that figure: a standardised slope, a difference of two in size, or a lift, with its interval; of a
    lift, that of chance. None if there is none.
    """

    claim: GeneClaim
    verdict: ClaimVerdict
    because: str
    value: float | None = None
    low: float | None = None
    high: float | None = None

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        claim = self.claim
        return {
            "section": claim.section,
            "quote": claim.quote,
            "claim": claim.says,
            "gene": claim.gene,
            "outcome": claim.outcome or None,
            "verdict": self.verdict,
            "because": self.because,
            "value": self.value,
            "interval": None if self.low is None else [self.low, self.high],
        }


@cache
def gene_claims() -> tuple[GeneClaim, ...]:
    """All claims, in the paper's order."""
    text = files("autospikformer_cli.analysis").joinpath("gene_claims.toml").read_text(encoding="utf-8")
    return tuple(GeneClaim(**claim) for claim in tomli.loads(text)["claim"])


@dataclass(frozen=True)
class ClaimedOf:
    """What claims are judged by: effects, the ranked subnets, the number of the best, and the baseline."""

    effects: GeneEffects
    space: SearchSpace
    ranked: Sequence[Subnet]
    num_best: int
    baseline: Subnet

    def judged(self) -> tuple[JudgedClaim, ...]:
        """Every claim with its verdict."""
        judges = {"slope": self._slope, "larger": self._larger, "favoured": self._favoured}
        return tuple(judges[claim.kind](claim) for claim in gene_claims())

    def _slope(self, claim: GeneClaim) -> JudgedClaim:
        """By the interval of the standardised slope; in either direction, by that of the bend, too."""
        untold = self.effects.untold.get((claim.gene, claim.outcome))
        if untold is not None:
            return JudgedClaim(claim, "undecided", f"{GENE_WORDS[claim.gene]}: {untold}")
        effect = self.effects.effects[claim.gene, claim.outcome]
        figure, bend = effect.standardised, effect.bend
        if claim.direction == "either":
            verdict, why = _of_size(figure, bend, may_bend=len(getattr(self.space, claim.gene)) > 2)
        else:
            verdict, why = _of_sign(figure, 1 if claim.direction == "up" else -1)
        natural = _in_its_unit(effect.slope, claim.outcome, PER_UNIT[claim.gene])
        told = f"{natural}; standardised {_interval_text(figure)}"
        curved = f", curved by {_interval_text(bend)}" if bend is not None and effect.is_curved else ""
        return JudgedClaim(claim, verdict, f"{told}{curved}{why}", *figure)

    def _larger(self, claim: GeneClaim) -> JudgedClaim:
        """By the interval of the difference of both slopes in size."""
        found = self.effects.how_much_larger(claim.gene, claim.than, claim.outcome)
        if isinstance(found, str):
            return JudgedClaim(claim, "undecided", found)
        verdict, why = _of_sign(found, 1)
        first, second = (self.effects.effects[gene, claim.outcome].standardised for gene in (claim.gene, claim.than))
        sizes = f"standardised {first.value:+.2f} against {second.value:+.2f}"
        return JudgedClaim(claim, verdict, f"{sizes}, in size {_interval_text(found)}{why}", *found)

    def _favoured(self, claim: GeneClaim) -> JudgedClaim:
        """By the share among the best, next to as many drawn by lot."""
        wanted = self._values(claim)
        shown = f"{GENE_WORDS[claim.gene]} {', '.join(map(plain, wanted))}"
        test = self._share_test(claim.gene, wanted)
        if test is None:
            return JudgedClaim(claim, "undecided", self._why_no_share(claim, wanted))
        verdict, why = _of_lift(test)
        shares = (
            f"{100 * test.share_best:.0f} % of the best {self.num_best} against {100 * test.share_all:.0f} % of all"
        )
        chance = f"lift {test.lift:.2f}, by chance {test.chance[0]:.2f} to {test.chance[1]:.2f}"
        return JudgedClaim(claim, verdict, f"{shown}: {shares}; {chance}{why}", test.lift, *test.chance)

    def _values(self, claim: GeneClaim) -> tuple[Number, ...]:
        choices: tuple[Number, ...] = getattr(self.space, claim.gene)
        if claim.values == "max":
            return choices[-1:]
        return tuple(choice for choice in choices if choice < getattr(self.baseline, claim.gene))

    def _share_test(self, gene: str, wanted: Sequence[Number]) -> ShareTest | None:
        import numpy as np

        has = np.array([getattr(subnet, gene) in wanted for subnet in self.ranked], np.int64)
        return share_test(has, np.ones_like(has), self.num_best, np.random.default_rng(self.effects.seed))

    def _why_no_share(self, claim: GeneClaim, wanted: Sequence[Number]) -> str:
        gene = GENE_WORDS[claim.gene]
        if not 0 < self.num_best < len(self.ranked):
            return f"{counted(len(self.ranked), 'candidate')} with an F_AEB cannot be divided into the best and others"
        if not wanted:
            return f"{gene}: the space has no value below the baseline's"
        num = sum(getattr(subnet, claim.gene) in wanted for subnet in self.ranked)
        which = "each" if num else "none"
        return f"{gene} {', '.join(map(plain, wanted))}: {which} of the {len(self.ranked):,} candidates has it"


def _of_sign(figure: Estimate, sign: int) -> tuple[ClaimVerdict, str]:
    """Whether a figure has the sign claimed."""
    low, high = sorted((sign * figure.low, sign * figure.high))
    if low > 0:
        return "confirmed", ", but small" if high < SMALL else ""
    if high < 0:
        return "not confirmed", ": the opposite"
    if figure.lies_within(SMALL):
        return "not confirmed", f": about 0, within {SMALL:g}"
    return "undecided", ": the interval has 0 and is wide"


def _of_size(figure: Estimate, bend: Estimate | None, may_bend: bool) -> tuple[ClaimVerdict, str]:
    """Whether a figure, or the bend, is larger than a small effect. may_bend: whether two values cannot be all."""
    found = [figure, *([bend] if bend is not None else [])]
    if any(each.lies_beyond(SMALL) for each in found):
        return "confirmed", ""
    if not all(each.lies_within(SMALL) for each in found):
        return "undecided", f": the interval has {SMALL:g}, the limit of a small effect"
    if may_bend and bend is None:
        return "undecided", ": small, but there are too few candidates to see a curve"
    return "not confirmed", f": small, within {SMALL:g}"


def _of_lift(test: ShareTest) -> tuple[ClaimVerdict, str]:
    if test.probability < SIGNIFICANCE:
        return ("confirmed", "") if test.lift > 1 else ("not confirmed", ": the opposite")
    if all(abs(end - 1) <= SAME_LIFT for end in test.chance):
        return "not confirmed", ": no more often than by chance"
    return "undecided", ": by chance it would vary as much"


def _in_its_unit(slope: Estimate, outcome: str, per_unit: str) -> str:
    """A slope in the unit of its outcome."""
    if outcome == "energy_j":
        return f"{'-' if slope.value < 0 else '+'}{format_energy(abs(slope.value))} {per_unit}"
    return f"{slope.value:+.3g}{' points' if outcome == 'top1' else ''} {per_unit}"


def _interval_text(figure: Estimate) -> str:
    return f"{figure.value:+.2f} ({figure.low:+.2f} to {figure.high:+.2f})"
