"""Names of a data set's classes, in the order of their numbers, for people who read predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autospikformer_cli.data.description import NUM_DIGIT_CLASSES
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.events.layouts import class_folders
from autospikformer_cli.data.folders import class_names

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig

DIGITS = tuple(str(digit) for digit in range(NUM_DIGIT_CLASSES))
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
CIFAR100 = tuple(_CIFAR100.split())
KNOWN_LABELS = {"digits": DIGITS, "digits-events": DIGITS, "cifar10": CIFAR10, "cifar100": CIFAR100}
"""Data sets whose classes are known without their files."""


def labels(config: DataConfig) -> tuple[str, ...]:
    """Names of the classes of a recipe's data set. Raises UserError if they are names of folders that are missing."""
    if config.dataset in KNOWN_LABELS:
        return KNOWN_LABELS[config.dataset]
    if config.dataset in EVENT_FILES:
        return EVENT_FILES[config.dataset].classes or class_folders(config.dataset, config.root)
    return tuple(class_names(config.root))
