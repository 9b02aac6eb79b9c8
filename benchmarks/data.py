"""Images decoded into the cache by one process and by two, and batches read back: from memory, and from disk.

Usage: python benchmarks/data.py [--images N] [--rounds N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from autospikformer_cli.data import caching
from autospikformer_cli.data.folders import list_images
from autospikformer_cli.data.image_packing import images_part
from autospikformer_cli.say import SILENT

SIDE, BATCH = 224, 64
PICTURE = (500, 375)
"""Width and height of a file: an ordinary picture of ImageNet."""


def make_folder(root: Path, num: int) -> None:
    """Pictures of random smooth colours and some noise, as JPEG, in two classes."""
    generator = np.random.default_rng(0)
    for number in range(num):
        path = root / f"class{number % 2}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8)).resize(PICTURE)
        noise = generator.integers(-12, 13, (PICTURE[1], PICTURE[0], 3))
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def made(root: Path, cache: Path, processes: int) -> tuple[caching.CachedRows, float]:
    """The cache of all pictures, made by that many processes, and the seconds that it took."""
    caching.MOST_PROCESSES, caching.PROCESS_BYTES = processes, 1
    part = images_part(str(root), "train", list_images(root, "train").paths, SIDE, (255, 255, 255), cache)
    began = time.perf_counter()
    return part.made(SILENT.progress), time.perf_counter() - began


def seconds_of(rounds: int, work: Callable[[], None]) -> float:
    """The median of several rounds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def main() -> None:
    """Print two tables."""
    import torch  # here, as the processes that decode import this file, too
    from engine_network import print_table
    from timing import machine

    from autospikformer_cli.data.reading import LazyImages

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"# Data beyond memory\n\n{machine()}\n")
    print(f"{options.images:,} JPEGs of {PICTURE[0]} x {PICTURE[1]} pixels become {SIDE} x {SIDE}.\n")
    with TemporaryDirectory() as folder:
        make_folder(Path(folder) / "pictures", options.images)
        rows = []
        for processes in (1, 2):
            reader, seconds = made(Path(folder) / "pictures", Path(folder) / f"cache{processes}", processes)
            rows.append((str(processes), f"{options.images / seconds:,.0f}"))
        print_table(("processes that decode, with their start", "images/s"), rows)
        order = torch.randperm(options.images, generator=torch.Generator().manual_seed(0)).split(BATCH)
        lazy = LazyImages(reader, np.arange(options.images), memory=0)
        memory = lazy[:]
        rows = [
            (name, f"{options.images / seconds_of(options.rounds, lambda s=source: [s[rows] for rows in order]):,.0f}")
            for name, source in (("memory", memory), ("disk, in the page cache", lazy))
        ]
        print(f"\nShuffled batches of {BATCH}, medians of {options.rounds} rounds:\n")
        print_table(("read from", "images/s"), rows)


if __name__ == "__main__":
    main()
