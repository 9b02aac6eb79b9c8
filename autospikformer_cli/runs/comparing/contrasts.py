"""Pairs of settings: searches that differ in nothing but the seed are one setting, and equal seeds make pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from autospikformer_cli.analysis.paired import SIGNIFICANCE, least_probability, mean_interval, p_text, wilcoxon
from autospikformer_cli.runs.comparing.searches import MEAN_OF, ComparedSearch
from autospikformer_cli.runs.conditions import setting_values
from autospikformer_cli.runs.searching.naming import without_seed
from autospikformer_cli.search.sorting import coverage

Seeds = tuple[int, int]
"""The seed of the training, and that of the search."""
HYPERVOLUME = "hypervolume"
COVERAGE = "coverage of the other's front"
UNIT_MEASURES = (HYPERVOLUME, COVERAGE)
"""Measures between 0 and 1."""


@dataclass(frozen=True)
class SearchSetting:
    """Searches that differ in their seeds alone. label: their names, as tables have them."""

    label: str
    alpha: float
    searches: dict[Seeds, ComparedSearch]


def settings_of(searches: Sequence[ComparedSearch]) -> list[SearchSetting]:
    """The settings in the order of their first searches.

    Searches of two runs are one setting if both recipes differ in the seed alone. Two searches with equal seeds are
    never one: they are of two runs, or one of them was measured otherwise.
    """
    groups = _grouped(searches, _of_recipe)
    for key in (_of_run, _of_name):
        groups = [part for group in groups for part in (_grouped(group, key) if _clash(group) else [group])]
    labels = _labels(groups)
    return [
        SearchSetting(label, group[0].alpha, {_seeds(each): each for each in group})
        for label, group in zip(labels, groups, strict=True)
    ]


def _seeds(search: ComparedSearch) -> Seeds:
    return search.stored.trained_seed, search.stored.searched.seed


def _clash(group: Sequence[ComparedSearch]) -> bool:
    """Whether two searches of a group have equal seeds."""
    return len({_seeds(each) for each in group}) < len(group)


def _of_recipe(search: ComparedSearch) -> object:
    return repr(setting_values(search.stored.searched))


def _of_run(search: ComparedSearch) -> object:
    return search.stored.path


def _of_name(search: ComparedSearch) -> object:
    return search.stored.population.name


def _grouped(searches: Sequence[ComparedSearch], key: Callable[[ComparedSearch], object]) -> list[list[ComparedSearch]]:
    groups: dict[object, list[ComparedSearch]] = {}
    for each in searches:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())


def _labels(groups: Sequence[Sequence[ComparedSearch]]) -> list[str]:
    """The names of the searches, without the seed if there are several of one setting; with their runs if need be."""
    named = [_listed_once(_short_name(each, len(group)) for each in group) for group in groups]
    runs = [_listed_once(str(each.stored.path) for each in group) for group in groups]
    for labels in (named, [f"{run}:{name}" for run, name in zip(runs, named, strict=True)]):
        if len(set(labels)) == len(labels):
            return labels
    return [_listed_once(each.stored.asked for each in group) for group in groups]


def _short_name(search: ComparedSearch, num_searches: int) -> str:
    """A search's name, which is made with its seed; of several searches that differ in the seed alone, without it."""
    name = search.stored.population.name
    return name if num_searches == 1 else without_seed(name, search.stored.searched.seed)


def _listed_once(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


@dataclass(frozen=True)
class Measure:
    """One number of each search of two settings, of which more is better. first, second: None if it is undefined.

    With pairs, first and second are of the same seeds, in order. Without, each has one value: its setting's mean.
    """

    name: str
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """First minus second."""
        return tuple(a - b for a, b in zip(self.first, self.second, strict=True))

    @property
    def mean_difference(self) -> float:
        """Their mean."""
        return sum(self.differences) / len(self.differences)

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean difference over seeds: Student's, cut at what is possible.

        None for fewer than two pairs.
        """
        interval = mean_interval(self.differences)
        if interval is None or self.name not in UNIT_MEASURES:
            return interval
        low, high = interval
        return max(low, -1.0), min(high, 1.0)

    @property
    def wins(self) -> tuple[int, int]:
        """In how many pairs the first is better, and in how many the second."""
        return sum(each > 0 for each in self.differences), sum(each < 0 for each in self.differences)

    @property
    def probability(self) -> float:
        """Of differences as uneven by chance: Wilcoxon's signed-rank test, exact and two-sided."""
        return wilcoxon(self.differences)

    def to_document(self, paired: bool) -> dict[str, object]:
        """In JSON types."""
        return {
            "measure": self.name,
            "first": list(self.first),
            "second": list(self.second),
            "mean_difference": self.mean_difference,
            "difference_interval": None if self.difference_interval is None else list(self.difference_interval),
            "first_better": self.wins[0],
            "second_better": self.wins[1],
            "p": self.probability if paired else None,
        }


@dataclass(frozen=True)
class Contrast:
    """Two settings, measure by measure. seeds: those of the pairs; none if the settings have no seed in common."""

    first: SearchSetting
    second: SearchSetting
    seeds: tuple[Seeds, ...]
    measures: tuple[Measure, ...]

    @property
    def least_probability(self) -> float | None:
        """The smallest that so many pairs can give; None without pairs."""
        return least_probability(len(self.seeds)) if self.seeds else None

    @property
    def seeds_text(self) -> str:
        """The seeds of the searches, with those of the trainings if there are several."""
        trained = {seeds[0] for seeds in self.seeds}
        shown = [str(seeds[1]) if len(trained) == 1 else f"{seeds[1]} of training {seeds[0]}" for seeds in self.seeds]
        return ", ".join(shown)

    @property
    def finding(self) -> str | None:
        """Which setting leads, or that none does, in a sentence; None if no measure prefers one."""
        labels, leads = (self.first.label, self.second.label), self._sides(self._leads)
        if leads[0] and leads[1]:
            one, other = self._ordered(leads)
            return (
                f"The measures disagree: {labels[one]} leads in {self._listed(leads[one], one)}, "
                f"{labels[other]} in {self._listed(leads[other], other)}{self._rest(leads)}."
            )
        for side in (0, 1):
            if leads[side]:
                listed = self._listed(leads[side], side)
                return f"{labels[side]} leads {labels[1 - side]} in {listed}{self._rest(leads)}."
        return self._without_a_lead()

    @property
    def disagrees(self) -> bool:
        """Whether one measure gives the first setting the lead, and another one the second."""
        return all(self._sides(self._leads))

    def _leads(self, measure: Measure) -> bool:
        """Whether a measure's difference is more than chance: what one pair, or none, cannot test is not."""
        return bool(self.seeds) and measure.probability < SIGNIFICANCE

    def _sides(self, counts: Callable[[Measure], bool]) -> tuple[list[Measure], list[Measure]]:
        """The measures that count and in which the first is higher in more pairs, and those in which the second is."""
        ahead: tuple[list[Measure], list[Measure]] = ([], [])
        for measure in filter(counts, self.measures):
            better, worse = measure.wins
            if better != worse:
                ahead[better < worse].append(measure)
        return ahead

    def _ordered(self, sides: tuple[list[Measure], list[Measure]]) -> list[int]:
        """The sides that have a measure, in the measures' order."""
        return sorted((side for side in (0, 1) if sides[side]), key=lambda side: self.measures.index(sides[side][0]))

    def _rest(self, leads: tuple[list[Measure], list[Measure]]) -> str:
        """The measures without a lead."""
        rest = [measure.name for measure in self.measures if measure not in (*leads[0], *leads[1])]
        return f"; not told apart in {_and(rest)}" if rest else ""

    def _without_a_lead(self) -> str | None:
        """That nothing tells the settings apart, and which one is higher in what."""
        higher, labels = self._sides(lambda _: True), (self.first.label, self.second.label)
        order = self._ordered(higher)
        if not order:
            return None
        parts = [f"{labels[side]}{' is higher' * (not at)} in {self._listed(higher[side], side)}"
                 for at, side in enumerate(order)]  # fmt: skip
        even = [measure.name for measure in self.measures if measure not in (*higher[0], *higher[1])]
        rest = f"; even in {_and(even)}" if even else ""
        return f"{self._why_untold()}: {', '.join(parts)}{rest}."

    def _why_untold(self) -> str:
        pair, num = f"{self.first.label} from {self.second.label}", len(self.seeds)
        if num < 2:
            return f"One pair of seeds cannot tell {pair}" if num else f"Without a common seed, nothing tells {pair}"
        if least_probability(num) >= SIGNIFICANCE:
            return f"{num} pairs of seeds cannot tell {pair}"
        return f"No measure tells {pair} by more than chance"

    def _listed(self, measures: Iterable[Measure], side: int) -> str:
        """The measures with the number of pairs that say so, and p if it can be small; or with both values."""
        num, texts = len(self.seeds), []
        for measure in measures:
            if num > 1:
                tested = f", p = {p_text(measure.probability)}" if least_probability(num) < SIGNIFICANCE else ""
                texts.append(f"{measure.name} ({measure.wins[side]} of {num} seeds{tested})")
            else:
                pair = (measure.first, measure.second)
                texts.append(f"{measure.name} ({_mean(pair[side]):.4f} against {_mean(pair[1 - side]):.4f})")
        return _and(texts)

    def to_document(self) -> dict[str, object]:
        """In JSON types."""
        return {
            "first": self.first.label,
            "second": self.second.label,
            "seeds": [seeds[1] for seeds in self.seeds],
            "trained_seeds": [seeds[0] for seeds in self.seeds],
            "measures": [measure.to_document(bool(self.seeds)) for measure in self.measures],
            "least_p": self.least_probability,
            "finding": self.finding,
        }


def _and(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def contrasts_of(settings: Sequence[SearchSetting]) -> list[Contrast]:
    """Every two settings."""
    return [_contrast(first, second) for first, second in combinations(settings, 2)]


def _contrast(first: SearchSetting, second: SearchSetting) -> Contrast:
    """Measures that a search does not have are left out, and F_AEB if the settings weigh energy otherwise."""
    seeds = tuple(sorted(first.searches.keys() & second.searches.keys()))
    values: dict[str, Callable[[ComparedSearch], float | None]] = {HYPERVOLUME: lambda each: each.hypervolume}
    if first.alpha == second.alpha:
        alpha = first.alpha
        values["best F_AEB"] = lambda each: each.best_fitness(alpha)
        values[f"mean F_AEB of the best {MEAN_OF}"] = lambda each: each.mean_of_best(alpha)
        values["mean F_AEB"] = lambda each: each.mean_fitness(alpha)
    found = []
    for name, value in values.items():
        columns = [_column(setting, seeds, value) for setting in (first, second)]
        if None not in columns:
            found.append(Measure(name, *(tuple(column or ()) for column in columns)))
    wanted = [(first.searches[each], second.searches[each]) for each in seeds]
    pairs = wanted or list(product(first.searches.values(), second.searches.values()))
    covered = [_coverages(pairs), _coverages([(there, here) for here, there in pairs])]
    if all(len(column) == len(pairs) for column in covered):
        found.insert(1, Measure(COVERAGE, *(tuple(column if seeds else [_mean(column)]) for column in covered)))
    return Contrast(first, second, seeds, tuple(found))


def _coverages(pairs: Sequence[tuple[ComparedSearch, ComparedSearch]]) -> list[float]:
    """How much of the second front the first one covers in each pair, where there is a second front."""
    shares = (coverage(first.front_costs, second.front_costs) for first, second in pairs)
    return [share for share in shares if share is not None]


def _column(
    setting: SearchSetting, seeds: Sequence[Seeds], value: Callable[[ComparedSearch], float | None]
) -> list[float] | None:
    """The values of the seeds, or without any the mean of all searches; None if one has no value."""
    wanted = [setting.searches[each] for each in seeds] or list(setting.searches.values())
    known = [number for each in wanted if (number := value(each)) is not None]
    if len(known) < len(wanted):
        return None
    return known if seeds else [_mean(known)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
