"""Which choices make a better supernet in the same CPU seconds: variants of a recipe, each trained and measured.

Usage: python benchmarks/supernet.py --data ROOT --results FILE [--images 16800] [--seeds 3] [--only NAME ...] [--table]

A variant is the recipe with keys laid over it. Its steps are timed in turn with the recipe's. Then it is trained for
one epoch on as many images as it takes in the time in which the recipe takes --images. So other work on the machine,
which slows both, decides nothing. FILE has a line of JSON for each training. The next start leaves out what it has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
from engine_network import print_table, root_override
from supernet_ideas import (
    alpha_divergence,
    ann_teacher,
    first_rate,
    one_step_in_front,
    scaled_potentials,
    taus_by_importance,
)
from timing import machine

from autospikformer_cli.analysis.paired import mean_interval
from autospikformer_cli.api import train_supernet
from autospikformer_cli.data.description import describe
from autospikformer_cli.engine.compute import make_compute, own_process
from autospikformer_cli.engine.names import EngineName
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import load_images, make_supernet
from autospikformer_cli.runs.trained_run import open_run
from autospikformer_cli.say import SILENT
from autospikformer_cli.training import loop, paths
from autospikformer_cli.training.optimizers import make_optimizer

RECIPE, RECIPE_ITSELF = "cifar10-small-laptop", "the recipe"
EARLIER_SHAPE = ('model.stem_dim="none"', "model.pooled_stages=[3, 4]", 'model.pool="after"')
EARLIER_TRAINING = (
    'data.augment="flip"', 'train.optimizer="adamw"', 'train.schedule="after_warmup"', "train.lr_start=1e-5",
    "train.lr_end=1e-5", "train.norm_bias_lr_factor=1.0", 'train.initial_weights="spikformer"',
    "train.whitened_stem=false",
)  # fmt: skip
"""The recipe's keys before they were chosen by this comparison."""
KEYS: dict[str, tuple[str, ...]] = {
    RECIPE_ITSELF: (),
    "shape and training as before": EARLIER_SHAPE + EARLIER_TRAINING,
    "training as before": EARLIER_TRAINING,
    "shape as before": EARLIER_SHAPE,
    "pools as before": EARLIER_SHAPE[1:],
    "pools behind stages 1 and 3": ("model.pooled_stages=[1, 3]",),
    "pools after the neurons": ('model.pool="after"',),
    "stem_dim 96": ("model.stem_dim=96",),
    "stem_dim 288": ("model.stem_dim=288",),
    "AdamW": ('train.optimizer="adamw"',),
    "matrix_lr 0.02": ("train.matrix_lr=0.02",),
    "matrix_lr 0.1": ("train.matrix_lr=0.1",),
    "lr 1e-3": ("train.lr=1e-3",),
    "lr 5e-3": ("train.lr=5e-3",),
    "cosine": ('train.schedule="after_warmup"',),
    "batch 32": ("train.batch=32",),
    "batch 128": ("train.batch=128",),
    "no factor for BatchNorm's biases": ("train.norm_bias_lr_factor=1.0",),
    "Spikformer's first weights": ('train.initial_weights="spikformer"',),
    "no whitening": ("train.whitened_stem=false",),
    "random flips only": ('data.augment="flip"',),
    "no augmentation": ('data.augment="none"',),
    "label smoothing 0.1": ("train.label_smoothing=0.1",),
    "average of weights, half-life 5 %": ("train.ema_half_life=0.05",),
    "fair sampling": ('train.sampling="fair"',),
    "sandwich": ('train.sampling="sandwich"',),
    "sandwich, distilled": ('train.sampling="sandwich"', 'train.distillation="soft_labels"'),
    "neurons by curriculum": ("train.neuron_curriculum=0.6",),
    "time steps by curriculum": ("train.time_step_curriculum=0.6",),
    "arctan surrogate": ('model.surrogate="arctan"',),
    "rectangular surrogate": ('model.surrogate="rectangular"',),
}
TEACHERS_SECONDS = 0.25
"""Of a training's seconds, what an ANN is trained for that teaches then."""


@dataclass(frozen=True)
class Variant:
    """A recipe's keys, and what else is done otherwise. Teaching: whether a part of the seconds goes to a teacher."""

    keys: tuple[str, ...] = ()
    idea: Callable[[Recipe], AbstractContextManager[object]] = lambda recipe: nullcontext()
    engine: EngineName | None = None
    teaching: bool = False


def scaled_thresholds(factor: float) -> tuple[str, ...]:
    """The keys of thresholds times a factor."""
    space = load_recipe(RECIPE).space
    thresholds = ", ".join(f"{float(threshold) * factor:g}" for threshold in space.threshold)
    return (
        f"space.threshold=[{thresholds}]", f"model.stem_threshold={factor}", f"model.attention_threshold={factor / 2}",
        f"model.attention_scale={0.125 * factor}",
    )  # fmt: skip


def variants(seconds: float) -> dict[str, Variant]:
    """All variants by name, for trainings of so many CPU seconds."""
    distilled = KEYS["sandwich, distilled"]
    return {
        **{name: Variant(keys) for name, keys in KEYS.items()},
        "surrogate twice as wide": Variant(scaled_thresholds(0.5), scaled_potentials(0.5)),
        "surrogate half as wide": Variant(scaled_thresholds(2), scaled_potentials(2)),
        "BatchNorm's first scale 0.5": Variant(idea=scaled_potentials(0.5)),
        "BatchNorm's first scale 2": Variant(idea=scaled_potentials(2)),
        "every layer fires at 10 % at first": Variant(idea=first_rate(0.1)),
        "every layer fires at 20 % at first": Variant(idea=first_rate(0.2)),
        "taus by importance": Variant(idea=taus_by_importance),
        "sandwich, alpha-divergence": Variant(distilled, alpha_divergence),
        "an ANN teaches": Variant(idea=ann_teacher(TEACHERS_SECONDS * seconds), teaching=True),
        "one time step in layer 1": Variant(idea=one_step_in_front(1), engine="dense"),
        "one time step in layers 1 and 2": Variant(idea=one_step_in_front(2), engine="dense"),
    }


PILOT_ROUNDS, PILOT_STEPS = 4, 5
"""The recipe's steps and the variant's take turns: so many rounds of so many steps, behind one round that warms up."""
RANDOM_SUBNETS, VALIDATION_IMAGES = 20, 2000


@dataclass(frozen=True)
class Trained:
    """One training. Accuracies in percent, on the first validation images.

    rate: images in a CPU second of the pilot; share: of the recipe's images, what the variant takes in the same time.
    None: an earlier kind of line, whose images are those of 90 CPU seconds at the variant's rate alone.
    """

    variant: str
    seed: int
    images: int
    rate: float
    seconds: float
    largest: float
    smallest: float
    randoms: list[float]
    share: float | None = None


class Pilot:
    """A few steps of a recipe's training, to time them."""

    def __init__(self, recipe: Recipe) -> None:
        """Its steps are spread over the whole training, as curricula change what a step costs."""
        supernet = make_supernet(recipe, make_compute())
        images = load_images(recipe, recipe.seed, "train", SILENT)
        data = loop.TrainingData(images, describe(recipe.data), recipe.data.augment, recipe.data.translation)
        drawn = paths.sampled_paths(recipe.space.search_space(), recipe.seed, recipe.train)
        optimizer = make_optimizer(supernet, recipe.train)
        self.trainer = loop.Trainer(supernet, optimizer, data, recipe.train, paths=drawn, seed=0)
        self.rows = torch.arange(recipe.train.batch)
        self.stride = self.trainer.steps // ((PILOT_ROUNDS + 1) * PILOT_STEPS)
        self.step = 0

    def seconds(self) -> float:
        """Train the steps of one round: CPU seconds for an image."""
        began = time.process_time()
        for _ in range(PILOT_STEPS):
            self.trainer.train_step(0, self.step * self.stride, self.rows)
            self.step += 1
        return (time.process_time() - began) / (PILOT_STEPS * len(self.rows))


def paces(recipe: Recipe, variant: Recipe, idea: Callable[[Recipe], AbstractContextManager[object]]) -> list[float]:
    """CPU seconds that an image takes: the recipe's, and the variant's."""
    plain = Pilot(recipe)
    with idea(variant):
        changed = Pilot(variant)
    seconds = []
    for _ in range(PILOT_ROUNDS + 1):
        own = plain.seconds()
        with idea(variant):
            seconds.append((own, changed.seconds()))
    return [statistics.mean(each) for each in zip(*seconds[1:], strict=True)]


def train(variant: str, seed: int, data: str, images: int) -> Trained:
    """Train a variant for the time in which the recipe trains on so many images, and measure it."""
    basis = [root_override(data), f"seed={seed}"]
    ends = ["train.epochs=1", "train.warmup_epochs=0.1"]
    chosen = variants(1)[variant]  # a teacher is trained for the second, too, in the pilot
    keys = [*basis, *chosen.keys, *ends]
    plain, own = paces(load_recipe(RECIPE, [*basis, *ends]), load_recipe(RECIPE, keys), chosen.idea)
    share = 1.0 if variant == RECIPE_ITSELF else plain / own
    count = int(images * share * (1 - TEACHERS_SECONDS * chosen.teaching))
    recipe = load_recipe(RECIPE, [*keys, f"data.train_images={count}"])
    with variants(images * plain)[variant].idea(recipe):
        return replace(train_and_measure(variant, recipe, 1 / own, chosen.engine), share=share)


def train_and_measure(variant: str, recipe: Recipe, rate: float, engine: EngineName | None) -> Trained:
    """Train a recipe's supernet, and measure the largest, the smallest and random subnets on validation images."""
    images = recipe.data.train_images or 0
    compute = make_compute(engine=engine)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        path = train_supernet(recipe, Path(folder) / "run", compute=compute).path
        spent = time.process_time() - began
        run = open_run(path, searched=False, compute=compute)
        space = recipe.space.search_space()
        subnets = [space.largest(), space.smallest()]
        subnets += [space.sample(Random(f"subnet {number}")) for number in range(RANDOM_SUBNETS)]
        top1 = {}
        evaluator, validation = run.evaluator(), run.images("validation").first(VALIDATION_IMAGES)
        for part in evaluator.measure_many(list(dict.fromkeys(subnets)), validation):
            top1 |= {subnet: result.measurement.top1 for subnet, result in part.items()}
    largest, smallest, *randoms = [top1[subnet] for subnet in subnets]
    return Trained(variant, recipe.seed, images, rate, spent, largest, smallest, randoms)


def show(trained: Sequence[Trained], images: int) -> None:
    """Print `results/supernet.md`."""
    print(f"# Variants of {RECIPE}, each trained for the time of {images:,} images of the recipe\n\n{machine()}\n")
    print(
        f"Top-1 in percent on {VALIDATION_IMAGES:,} validation images; of {RANDOM_SUBNETS} random subnets the median."
    )
    print("Mean over seeds, and the range. Images: what one seed trained on. Gain: of the random subnets' median over")
    print("the recipe's with the same seeds, in points, with its 95 % interval (Student's t).\n")
    medians_of = {(each.variant, each.seed): statistics.median(each.randoms) for each in trained}
    rows = []
    for variant in dict.fromkeys(each.variant for each in trained):
        own = [each for each in trained if each.variant == variant]
        largest, smallest = [each.largest for each in own], [each.smallest for each in own]
        medians = [medians_of[variant, each.seed] for each in own]
        keys = ", ".join(f"`{key}`" for key in KEYS.get(variant, ()))
        images = f"{statistics.mean(each.images for each in own):,.0f}"
        gains = [
            median - medians_of[RECIPE_ITSELF, each.seed]
            for each, median in zip(own, medians, strict=True)
            if (RECIPE_ITSELF, each.seed) in medians_of
        ]
        spreads = map(_spread, (largest, smallest, medians))
        gain = "" if variant == RECIPE_ITSELF else _gain(gains)
        rows.append((variant, keys, str(len(own)), images, *spreads, gain, statistics.mean(gains or [0.0])))
    rows.sort(key=lambda row: row[-1], reverse=True)
    header = ("variant", "keys over the recipe's", "seeds", "images", "largest", "smallest", "random", "gain")
    print_table(header, [row[:-1] for row in rows])


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def _gain(gains: Sequence[float]) -> str:
    if not gains:
        return ""
    interval = mean_interval(gains)
    return f"{statistics.mean(gains):+.1f}" + (f" ({interval[0]:+.1f} to {interval[1]:+.1f})" if interval else "")


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = list(variants(0))
    parser.add_argument("--data", required=True, help="the folder of CIFAR-10")
    parser.add_argument("--results", required=True, type=Path, help="a file of JSON lines, to which results are added")
    parser.add_argument("--images", type=int, default=16800, help="of the recipe's training: the others take its time")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=names, choices=names, metavar="NAME")
    parser.add_argument("--table", action="store_true", help="train nothing: print the table of what FILE has")
    options = parser.parse_args()
    own_process(threads=1)
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.is_file() else []
    trained = [Trained(**json.loads(line)) for line in lines]
    done = {(each.variant, each.seed) for each in trained}
    for seed in range(0 if options.table else options.seeds):
        for variant in options.only:
            if (variant, seed) not in done:
                trained.append(train(variant, seed, options.data, options.images))
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(trained[-1].__dict__) + "\n")
    show(trained, options.images)


if __name__ == "__main__":
    main()
