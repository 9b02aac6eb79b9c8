"""The recipe format: TOML in, frozen values out, every mistake located. Imports neither torch nor numpy."""

from autospikformer_cli.recipe.effects import Decides
from autospikformer_cli.recipe.layers import Override, Overrides, given_twice, option_override, parsed
from autospikformer_cli.recipe.load import changed, load_recipe, recipe_from_toml
from autospikformer_cli.recipe.search_section import FixedBounds, SearchConfig
from autospikformer_cli.recipe.sections import DataConfig, EnergyConfig, MeanStd, ModelConfig, SpaceConfig, TrainConfig
from autospikformer_cli.recipe.shipped import recipe_summary, recipes_folder, shipped_recipes
from autospikformer_cli.recipe.whole import Recipe, differing_keys

__all__ = [
    "DataConfig",
    "Decides",
    "EnergyConfig",
    "FixedBounds",
    "MeanStd",
    "ModelConfig",
    "Override",
    "Overrides",
    "Recipe",
    "SearchConfig",
    "SpaceConfig",
    "TrainConfig",
    "changed",
    "differing_keys",
    "given_twice",
    "load_recipe",
    "option_override",
    "parsed",
    "recipe_from_toml",
    "recipe_summary",
    "recipes_folder",
    "shipped_recipes",
]
