"""Image files as pixels of one size, and as rows of a cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.caching import CachedPart, PackedOrFault
from autospikformer_cli.data.folders import absolute
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.image_cache import pack_row

DECODING_VERSION = 1
"""Add one if the same file becomes other pixels."""


class ImageFile(NamedTuple):
    """A file of an image. size and mtime_ns show whether another file has replaced it."""

    path: str
    size: int
    mtime_ns: int


def decoded(path: str, size: int, background: tuple[int, int, int]) -> tuple[NDArray[np.uint8], bool]:
    """An image file as pixels (size, size, 3), and whether it has more frames or pages than the one that is read.

    Its shorter side is resized, bilinearly, with antialiasing; then its centre is cut out. Raises UserError, with the
    file's name, if it cannot be read.
    """
    from PIL import Image

    from autospikformer_cli.data.image_files import read_rgb

    image, has_more = read_rgb(path, background)
    width, height = image.size
    shorter = min(width, height)
    # As torchvision's Resize and CenterCrop have it, whose import would take each process seconds.
    width, height = (size * side // shorter for side in (width, height))
    left, top = (round((side - size) / 2) for side in (width, height))
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size))), has_more


def images_part(
    root: str, part: str, paths: Sequence[str], size: int, background: tuple[int, int, int], folder: Path
) -> CachedPart:
    """The pixels (size, size, 3) of a part of a folder of images, in a folder of the cache."""
    return CachedPart(
        folder=folder,
        kind="images",
        name=f"folder-{part}",
        title=str(absolute(root)),
        unit="images",
        shape=(size, size, 3),
        sources=[_image_file(path) for path in paths],
        base=absolute(root),
        made_from={
            "decoding": DECODING_VERSION,
            "readers": [f"pillow {metadata.version('pillow')}"],
            "part": part,
            "image_size": size,
            "background": list(background),
        },
        pack=partial(packed_image, size=size, background=background),
    )


def _image_file(path: str) -> ImageFile:
    try:
        about = Path(path).stat()
    except OSError:  # reading it will say what is wrong
        return ImageFile(path, 0, 0)
    return ImageFile(path, about.st_size, about.st_mtime_ns)


def packed_image(path: str, size: int, background: tuple[int, int, int]) -> PackedOrFault:
    """The row of one file, or its fault."""
    try:
        pixels, has_more = decoded(path, size, background)
    except UserError as error:
        return error
    return pack_row(np.ascontiguousarray(pixels), marked=has_more)
