"""May a stored result be used here? The one answer for every command.

What a recipe key decides stands next to the key (`recipe.effects`). What else a result depends on is a `Provenance`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Decides, Overrides, Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.recipe.load import named_keys
from autospikformer_cli.recipe.whole import SECTIONS, effects
from autospikformer_cli.runs.fixed_by_training import require_as_trained
from autospikformer_cli.store.supernet import Training
from autospikformer_cli.wording import quoted

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

OF_A_TRAINING = Decides.NETWORK | Decides.TRAINING
OF_A_SEARCH = Decides.NETWORK | Decides.MEASUREMENT | Decides.IMAGES | Decides.SEARCH
"""Weights are known by their hash, so what decides a training is not asked again."""
BATCH_KEY = "model.evaluation_batch"
OF_A_SUPERNET = frozenset(
    ["train.sampling", "train.neuron_curriculum", "train.time_step_curriculum", "train.distillation"]
)
"""Keys of training that decide which subnets a step trains, and how they learn from each other."""


@dataclass(frozen=True)
class Conditions:
    """All that a subnet's measurement depends on besides the subnet. Equal conditions give equal counts.

    Hashes of weights and images, how many there are, what computes in which version, and every key of [model] that
    acts. How energy is counted or priced is not among them. A plugin's neuron is known by its name alone.
    """

    weights_hash: str
    split_hash: str
    images: int
    calibration_hash: str
    precision: str
    device: str
    engine: str
    frames: int
    fixed_heads: int | None
    model: tuple[tuple[str, str], ...]
    computed_with: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, provenance: Provenance, recipe: Recipe) -> Conditions:
        """Those that a stored measurement was made under, or that one would be made under now."""
        batch_acts = provenance.engine != "event_driven" or recipe.model.batchnorm == "batch"
        model = (
            (key, repr(recipe.value(key)))
            for key, effect in effects().items()
            if effect & Decides.MEASUREMENT and (key != BATCH_KEY or batch_acts)
        )
        return cls(
            provenance.weights_hash,
            provenance.split_hash,
            provenance.images,
            provenance.calibration_hash,
            provenance.precision,
            provenance.device,
            provenance.engine,
            provenance.frames,
            None if recipe.model.searched_heads else recipe.space.num_heads[-1],
            tuple(model),
            tuple(sorted(provenance.computed_with.items())),
        )

    def differ_in(self, other: Conditions) -> tuple[str, ...]:
        """Names of what differs, versions aside, which decide the last bits alone."""
        names = [field.name for field in fields(self) if field.name not in ("model", "computed_with")]
        here, there = dict(self.model), dict(other.model)
        keys = [key for key in here if key in there and here[key] != there[key]]
        return tuple([name for name in names if getattr(self, name) != getattr(other, name)] + keys)

    def versions_differ_in(self, other: Conditions) -> tuple[tuple[str, str, str], ...]:
        """Each version that both know and that differs: its name, its number here and there."""
        there = dict(other.computed_with)
        return tuple((name, here, there[name]) for name, here in self.computed_with if there.get(name, here) != here)


def with_fixed_keys(
    trained: Recipe, recipe_toml: str, overrides: Overrides, path: Path, may_change: Collection[str]
) -> Recipe:
    """A recipe of a run with overrides. Raises UserError if they change what `fixed_by_training` says is fixed.

    trained: the recipe of its training. recipe_toml: that one, or the recipe of one of its searches, which may be of a
    supernet that the run had before. may_change: keys that overrides may change.
    """
    shown = f"the recipe stored in {path}"
    stored = recipe_from_toml(recipe_toml, trained.name, shown=shown)
    keys = differing_keys(trained, stored, Decides.NETWORK)
    if keys:
        what = f"its search measured a supernet with another {', '.join(keys)}"
        raise UserError(what, str(path), f"search anew: aspk search --run {quoted(path)} --fresh")
    recipe = recipe_from_toml(recipe_toml, trained.name, overrides, shown=shown)
    require_as_trained(stored, recipe, may_change, path)
    return recipe


def require_resumable(path: Path, begun: Training, recipe: Recipe, precision: str) -> tuple[str, ...]:
    """The keys in which a recipe differs from a run's and that decide something else than its training.

    Raises UserError if one does, or if an unfinished training would go on in another precision.
    """
    before = recipe_from_toml(begun.recipe_toml, begun.recipe_name)
    keys = [key for key in differing_keys(before, recipe, OF_A_TRAINING) if _acts(key, before, recipe)]
    if keys:
        raise UserError(
            f"this run was begun with another recipe: {', '.join(keys)} {'differs' if len(keys) == 1 else 'differ'}",
            str(path),
            "go on with the recipe it has, or start a new run: --run NAME, or --fresh next to it",
        )
    begun_in = begun.environment.get("precision", precision)
    if begun_in != precision and not begun.state.finished:
        raise UserError(
            f"this run was begun in {begun_in}, not {precision}",
            str(path),
            f"go on with --precision {begun_in}, or start a new run: --run NAME, or --fresh next to it",
        )
    return tuple(differing_keys(before, recipe, ~Decides.NOTHING))


def _acts(key: str, *recipes: Recipe) -> bool:
    """Whether a key decides accuracies. The size of a batch does if BatchNorm takes each batch's statistics."""
    return key != BATCH_KEY or any(recipe.model.batchnorm == "batch" for recipe in recipes)


def training_identity(recipe: Recipe) -> list[str]:
    """One line for each key that decides a training and differs from its default.

    A key that a later aspk adds has the old behaviour as its default, so it changes no identity.
    """
    defaults = {
        f"{section}.{key}": each.default
        for section, model in SECTIONS.items()
        for key, each in model.model_fields.items()
    }
    return [
        f"{key} = {recipe.value(key)!r}"
        for key, effect in effects().items()
        if effect & OF_A_TRAINING and recipe.value(key) != defaults.get(key)
    ]


def other_search_keys(before: Recipe, recipe: Recipe) -> tuple[str, ...]:
    """The keys in which two searches of one run are different ones."""
    return tuple(differing_keys(before, recipe, OF_A_SEARCH))


def setting_values(recipe: Recipe) -> dict[str, object]:
    """Every key that decides something, but the seed. Searches that agree in them differ by chance alone."""
    decisive = (key for key, effect in effects().items() if key != "seed" and effect != Decides.NOTHING)
    return {key: recipe.value(key) for key in decisive}


def asks_for_another_search(overrides: Overrides) -> bool:
    """Whether any override names a key that decides a search."""
    return any(effects().get(key, OF_A_SEARCH) & OF_A_SEARCH for key in named_keys(overrides))


def idle_keys(overrides: Overrides, acts: Decides) -> tuple[str, ...]:
    """The keys that overrides name and that cannot act on what one subnet measures, costs or does.

    acts: what is decided besides: TRAINING if it is retrained, without the keys of a supernet's steps; IMAGES if it is
    measured on those of the search.
    """
    always = Decides.NETWORK | Decides.MEASUREMENT | Decides.SCORE | acts
    idle = []
    for key in named_keys(overrides, with_profiles=False):
        effect = effects().get(key, Decides.NOTHING)
        images = Decides.NOTHING if effect & Decides.SEARCH else Decides.IMAGES
        chooses = key == "search.baseline" or key.startswith("space.")
        if (effect and not effect & (always | images) and not chooses) or key in OF_A_SUPERNET:
            idle.append(key)
    return tuple(idle)


def with_training_of(trained: Recipe, recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """A search's recipe with the training that its supernet had, and the keys that differed.

    They decide nothing of a search. Stored with it, they would say that the supernet was trained otherwise.
    """
    only = {key for key, effect in effects().items() if effect & Decides.TRAINING and not effect & OF_A_SEARCH}
    keys = tuple(key for key in differing_keys(trained, recipe, Decides.TRAINING) if key in only)
    return recipe.with_values_of(trained, keys), keys


def rescored(searched: Recipe, overrides: Overrides) -> Recipe:
    """The recipe that an archive is scored under. Raises UserError for keys that decide more than its scores."""
    recipe = recipe_from_toml(searched.to_toml(), searched.name, overrides)
    measured = [key for key in differing_keys(searched, recipe) if not _scores(key) and effects()[key]]
    if measured:
        allowed = [key for key in effects() if _scores(key) and not key.startswith("energy.")]
        raise UserError(
            f"{', '.join(measured)} cannot be changed in what was measured",
            "--set",
            f"change {', '.join(allowed)} or energy.* here, or search with other keys: aspk search --set KEY=VALUE",
        )
    return recipe


def _scores(key: str) -> bool:
    return bool(effects()[key] & Decides.SCORE)


def require_same_images(path: Path, splits: Mapping[str, str], images: ImageSet) -> None:
    """Raises UserError if a split has other images than the run was trained with. They may have been mixed."""
    if splits.get(images.split, images.hash) != images.hash:
        raise UserError(
            f"the {images.split} images are not those that this run was trained with",
            str(path),
            "bring the data set back to what it was, or train a new run: --run NAME, or --fresh next to it",
        )
