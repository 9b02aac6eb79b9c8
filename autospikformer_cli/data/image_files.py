"""Image files as 8-bit RGB: every mode of Pillow that can be shown so, or a refusal that names the file.

`Image.convert("RGB")` alone cuts 16 bits off at 255, makes floats black, and drops transparency.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from autospikformer_cli.data.folders import WHERE
from autospikformer_cli.errors import UserError

IMAGE_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""Formats that are read, whatever the file's suffix. For some others, Pillow starts programs (EPS)."""
ANIMATED = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
"""Formats whose further frames or pages are other pictures. An MPO's are smaller copies."""
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
"""Tags of TIFF, and a value."""


def read_rgb(path: str, background: tuple[int, int, int]) -> tuple[Image.Image, bool]:
    """An image file as RGB with 8 bits, upright, and whether it has more frames or pages than the first, which is read.

    16-bit grey is scaled so that its white is 255. Transparent pixels are composed over the background. The
    orientation that a camera noted (EXIF) is applied. Colour profiles are not.
    Raises UserError, with the file's name, for whatever is wrong with it.
    """
    Image.init()  # makes all formats known that this Pillow was built with; does so once
    formats = [each for each in IMAGE_FORMATS if each in Image.OPEN]
    # Given a path, Pillow 13 maps the file's memory, and garbles TIFFs that lie on their sides.
    with _named_faults(path), Path(path).open("rb") as file, Image.open(file, formats=formats) as image:
        has_more = image.format in ANIMATED and getattr(image, "n_frames", 1) > 1
        image.seek(0)
        image.load()  # before its size is asked: a TIFF turns when it is loaded
        upright = ImageOps.exif_transpose(_eight_bits(path, image))
        if upright.has_transparency_data:
            opaque = Image.new("RGBA", upright.size, (*background, 255))
            upright = Image.alpha_composite(opaque, upright.convert("RGBA"))
        return upright.convert("RGB"), has_more


@contextmanager
def _named_faults(path: str) -> Iterator[None]:
    """Whatever an image library raises becomes a UserError. Its warnings are about files that it can read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except UserError:
            raise
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            raise UserError(
                f"{path} says that it has more than {most:,} pixels",
                WHERE,
                "make the image smaller, or remove the file",
            ) from error
        except Exception as error:  # a damaged file may raise anything: EOFError, struct.error, IndexError ...
            reason = error.strerror if isinstance(error, OSError) and error.strerror else None
            because = f": {reason}" if reason else ""
            raise UserError(
                f"{path} is not a readable image{because}", WHERE, "repair the file, or remove it"
            ) from error


def _eight_bits(path: str, image: Image.Image) -> Image.Image:
    """The same image with at most 8 bits a channel."""
    if image.mode == "F":
        raise _no_white(path, "floating-point")
    if image.mode == "I" and image.format == "TIFF":  # 32 bits, or 16 with a sign
        raise _no_white(path, "signed or 32-bit")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    grey = np.asarray(image).astype(np.int64)
    white = 2**16 - 1
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        white = 2 ** tags[BITS_PER_SAMPLE][0] - 1
        grey = white - grey if tags[PHOTOMETRIC] == WHITE_IS_ZERO else grey
    eight = Image.fromarray(_scaled(grey, white))
    transparent = image.info.get("transparency")
    if transparent is not None:
        eight.putalpha(Image.fromarray(np.where(grey == transparent, 0, 255).astype(np.uint8)))
    eight.info["exif"] = image.info.get("exif", b"")
    return eight


def _scaled(grey: NDArray[np.int64], white: int) -> NDArray[np.uint8]:
    scaled: NDArray[np.uint8] = ((grey * 255 + white // 2) // white).clip(0, 255).astype(np.uint8)
    return scaled


def _no_white(path: str, numbers: str) -> UserError:
    return UserError(
        f"{path} has {numbers} pixels, and does not say which value is white",
        WHERE,
        "convert it to 8 bits, or to 16 bits without a sign",
    )
