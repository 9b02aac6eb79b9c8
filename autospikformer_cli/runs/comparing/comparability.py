"""What stands against comparing searches: what is refused, and what a reader is warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from autospikformer_cli.analysis.noise import ranking_noise
from autospikformer_cli.data.description import describe
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import differing_keys
from autospikformer_cli.runs.comparing.asked import OPERAND
from autospikformer_cli.runs.comparing.searches import ComparedSearch, StoredSearch
from autospikformer_cli.runs.searched_supernet import weights_remark
from autospikformer_cli.runs.selection import counts_of, require_feasible
from autospikformer_cli.wording import shortened

NOT_MEASURING = ("weights_hash", "split_hash", "images")
"""Conditions that have warnings of their own."""


def require_comparable(searches: Sequence[StoredSearch]) -> None:
    """Raises UserError for searches of different data sets, classes or objectives.

    Their accuracies, or their hypervolumes, are different quantities. Other images of the same data set are a warning:
    supernets that differ in the seed of their training have other images held out, and are worth comparing.
    """
    first, *rest = searches
    for each in rest:
        _require_same_data(first, each)
        here, there = first.recipe.search.objectives, each.recipe.search.objectives
        if here != there:
            names = ", ".join(f'"{name}"' for name in here)
            raise UserError(
                f"{each.asked} has the objectives {', '.join(there)}, {first.asked} has {', '.join(here)}",
                OPERAND,
                f"measure both by the same: --set 'search.objectives=[{names}]'",
            )


def require_some_kept(searches: Sequence[StoredSearch]) -> None:
    """Raises UserError if limits leave no candidate to any search. A search alone without any is a warning."""
    if any(each.population.candidates for each in searches) and not any(map(_keeps_some, searches)):
        for each in searches:
            with counts_of(each.path):
                require_feasible(each.problem, each.population)


def _keeps_some(search: StoredSearch) -> bool:
    with counts_of(search.path):
        return bool(search.problem.rank(search.population.candidates))


def _require_same_data(first: StoredSearch, other: StoredSearch) -> None:
    sets = [each.recipe.data.dataset for each in (first, other)]
    fix = "accuracies on them are different quantities; compare searches of one data set"
    if sets[0] != sets[1]:
        raise UserError(f"{other.asked} is of the data set {sets[1]}, {first.asked} of {sets[0]}", OPERAND, fix)
    classes = [describe(each.recipe.data).num_classes for each in (first, other)]
    if classes[0] != classes[1]:
        what = f"{other.asked} tells {classes[1]} classes apart, {first.asked} {classes[0]}"
        raise UserError(what, OPERAND, fix)


def warnings_of(searches: Sequence[ComparedSearch]) -> tuple[str, ...]:
    """What makes the comparison less fair than it looks, the gravest first. Searches are named by their numbers."""
    stored = [each.stored for each in searches]
    return (
        *_of_images(stored),
        *_of_weights(stored),
        *_of_measuring(stored),
        *_of_prices(stored),
        *_of_keys(stored, "space.", "search in another space than 1", "their candidates are of other kinds"),
        *_of_keys(stored, "search.limits", "other limits than 1", "the candidates of each keep to its own"),
        *_of_none_kept(searches),
        *_of_budgets(searches),
        *_of_too_few(searches),
        *_of_the_unknown(stored),
        *_of_noise(searches),
    )


def _others(searches: Sequence[StoredSearch], differs: Callable[[StoredSearch], object]) -> str:
    """Numbers of the searches that differ from the first, such as '2, 3'; "" for none."""
    return ", ".join(str(number) for number, each in enumerate(searches[1:], 2) if differs(each))


def _of_images(searches: Sequence[StoredSearch]) -> Iterator[str]:
    first = searches[0].population.provenance
    splits = {each.population.provenance.split for each in searches}
    others = _others(searches, lambda each: each.population.provenance.split_hash != first.split_hash)
    if others:
        yield (
            f"other images than 1: {others}. Their accuracies, F_AEB and hypervolume differ by the draw of images, "
            "too: small differences mean nothing"
        )
    if "test" in splits:
        chosen = ", ".join(
            str(number) for number, each in enumerate(searches, 1) if each.population.provenance.split == "test"
        )
        yield f"selected on test images: {chosen}. No unbiased test accuracy is left for these"


def _of_weights(searches: Sequence[StoredSearch]) -> Iterator[str]:
    first = searches[0].population.provenance.weights_hash
    others = _others(searches, lambda each: each.population.provenance.weights_hash != first)
    if others:
        yield f"other weights than 1: {others}. A difference may be the training's, not the search's"
    for number, each in enumerate(searches, 1):
        remark = weights_remark(each.path, each.population.provenance)
        if remark:
            yield f"{number} was {remark}"


def _of_measuring(searches: Sequence[StoredSearch]) -> Iterator[str]:
    first = searches[0].conditions

    def names(each: StoredSearch) -> list[str]:
        return [name for name in first.differ_in(each.conditions) if name not in NOT_MEASURING]

    found = dict.fromkeys(name for each in searches[1:] for name in names(each))
    if found:
        what = shortened([name.replace("calibration_hash", "calibration images") for name in found])
        yield f"measured otherwise than 1 ({what}): {_others(searches, names)}"


def _of_prices(searches: Sequence[StoredSearch]) -> Iterator[str]:
    first = searches[0]
    energy = first.recipe.energy
    here = f"all are priced here by profile {energy.profile_name}, convention {energy.convention_name}"
    yield from _of_keys(searches, "energy.", "searched under other prices than 1", here)


def _of_keys(searches: Sequence[StoredSearch], prefix: str, what: str, then: str) -> Iterator[str]:
    def keys(each: StoredSearch) -> list[str]:
        return [key for key in differing_keys(searches[0].searched, each.searched) if key.startswith(prefix)]

    found = list(dict.fromkeys(key for each in searches[1:] for key in keys(each)))
    if found:
        yield f"{what} ({shortened(found)}): {_others(searches, keys)}; {then}"


def _of_budgets(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    numbers = [len(each.stored.population.candidates) for each in searches]
    if len(set(numbers)) > 1:
        fewer = ", ".join(f"{number} ({num:,})" for number, num in enumerate(numbers, 1) if num < max(numbers))
        yield f"fewer than {max(numbers):,} candidates: {fewer}. Hypervolume and the best F_AEB grow with their number"
    running = [str(number) for number, each in enumerate(searches, 1) if not each.stored.finished]
    if running:
        yield f"not finished: {', '.join(running)}"


def _of_none_kept(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    emptied = [str(number) for number, each in enumerate(searches, 1) if each.rejected and not each.num_candidates]
    if emptied:
        yield f"no candidate keeps to its limits, or all computed values that are not finite: {', '.join(emptied)}"


def _of_too_few(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    wanted = searches[0].best_num
    short = [f"{number} ({each.num_candidates})" for number, each in enumerate(searches, 1)
             if wanted is not None and each.num_candidates < wanted]  # fmt: skip
    if short:
        yield f"fewer usable candidates than the best {wanted} that are asked for: {', '.join(short)}. All are taken"


def _of_the_unknown(searches: Sequence[StoredSearch]) -> Iterator[str]:
    absent = [each for search in searches for each in search.problem.absent]
    yield from dict.fromkeys(
        f"{each.error.what}; its stored values stand in" if each.stored else f"{each.key}: {each.error.what}"
        for each in absent
    )


def _of_noise(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    noise = [ranking_noise([scored.candidate.measurement for scored in each.ranked[each.alpha]]) for each in searches]
    chance = [str(number) for number, each in enumerate(noise, 1) if each is not None and each.mostly_chance]
    if chance:
        yield f"the order by accuracy is mostly chance: {', '.join(chance)} (aspk report says how far)"
