"""The recipe format: TOML in, frozen values out, every mistake located. Imports neither torch nor numpy."""

from autospikformer_cli.recipe.layers import option_text
from autospikformer_cli.recipe.load import load_recipe, recipe_from_toml
from autospikformer_cli.recipe.search_section import FixedBounds, SearchConfig
from autospikformer_cli.recipe.sections import DataConfig, EnergyConfig, MeanStd, ModelConfig, SpaceConfig, TrainConfig
from autospikformer_cli.recipe.shipped import recipe_summary, recipes_folder, shipped_recipes
from autospikformer_cli.recipe.whole import Recipe, differing_keys

__all__ = [
    "DataConfig",
    "EnergyConfig",
    "FixedBounds",
    "MeanStd",
    "ModelConfig",
    "Recipe",
    "SearchConfig",
    "SpaceConfig",
    "TrainConfig",
    "differing_keys",
    "load_recipe",
    "option_text",
    "recipe_from_toml",
    "recipe_summary",
    "recipes_folder",
    "shipped_recipes",
]
