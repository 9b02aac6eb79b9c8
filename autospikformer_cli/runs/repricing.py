"""A search's results under any convention and any profile. All its candidates are priced at once, from their counts."""

from __future__ import annotations

from functools import cached_property

from autospikformer_cli.energy.many import ManyPriced, ManySubnets
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe import EnergyConfig, Recipe
from autospikformer_cli.recipe.energy.models import shipped_names
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.runs.results import SearchResults, score_again


class Repricing:
    """The results of one search, and what they are under other prices."""

    def __init__(self, results: SearchResults) -> None:
        self.results = results
        self._priced: list[tuple[EnergyConfig, ManyPriced]] = []

    @property
    def conventions(self) -> tuple[str, ...]:
        """Names: that of the recipe first, if it is none of those that come with aspk."""
        return _names(self.results.recipe.energy.convention_name, shipped_names("conventions"))

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names, as of conventions."""
        return _names(self.results.recipe.energy.profile_name, shipped_names("profiles"))

    def recipe_under(self, convention: str, profile: str) -> Recipe:
        """The recipe with other prices. Rules next to its convention, such as energy.order, hold under every one."""
        recipe = self.results.recipe
        own = recipe.energy
        update = {
            **({} if convention == own.convention_name else {"convention": convention}),
            **({} if profile == own.profile_name else {"profile": profile}),
        }
        return recipe.model_copy(update={"energy": own.model_copy(update=update)}) if update else recipe

    def under(self, convention: str, profile: str) -> SearchResults:
        """What `aspk report --convention NAME --profile NAME` shows. Raises UserError if counts are missing."""
        return score_again(self.results, self.recipe_under(convention, profile))

    @cached_property
    def measured(self) -> tuple[Candidate, ...]:
        """The candidates that can be priced, which `priced` is of."""
        return tuple(each for each in self.results.population.candidates if each.measurement.is_usable)

    def priced(self, recipe: Recipe) -> ManyPriced:
        """What `measured` cost under a recipe's prices, which are known. Raises MissingCounts if counts are missing."""
        known = next((found for energy, found in self._priced if energy == recipe.energy), None)
        if known is None:
            known = self._subnets.under(recipe.energy.rules, recipe.energy.hardware)
            self._priced.append((recipe.energy, known))
        return known

    @cached_property
    def _subnets(self) -> ManySubnets:
        subnets, measurements = [each.subnet for each in self.measured], [each.measurement for each in self.measured]
        return ManySubnets(network_shape(self.results.recipe), subnets, measurements)


def _names(own: str, shipped: tuple[str, ...]) -> tuple[str, ...]:
    return shipped if own in shipped else (own, *shipped)
