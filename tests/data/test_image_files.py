"""Image files of every mode and format that Pillow writes: the right pixels, or a refusal that names the file."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autospikformer_cli.data.image_files import IMAGE_FORMATS, read_rgb
from autospikformer_cli.errors import UserError

WHITE = (255, 255, 255)
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
LOSSY = ("JPEG", "MPO", "AVIF", "WEBP")

Image.init()


def picture(height: int = 16, width: int = 16) -> NDArray[np.uint8]:
    """A smooth picture (height, width, 3) that no turn or flip leaves as it is."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / (width - 1), y * 255 / (height - 1), 255 - x * 200 / width], axis=-1).astype(np.uint8)


def written(path: Path, image: Image.Image, name: str, **options: Any) -> Path | None:
    """The file, or None if Pillow does not write such images."""
    try:
        image.save(path, name, **options)
    except Exception:
        return None
    return path


def read(path: Path, background: tuple[int, int, int] = WHITE) -> NDArray[np.int64]:
    return np.asarray(read_rgb(str(path), background)[0]).astype(np.int64)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        read_rgb(str(path), WHITE)
    return str(raised.value)


def outcome(path: Path) -> str | None:
    """The refusal of a file, None if it is read."""
    try:
        assert read_rgb(str(path), WHITE)[0].mode == "RGB"
    except UserError as error:
        return str(error)
    return None


# Modes and formats


def of_mode(mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.new("LAB", (16, 16), (180, 128, 128))
    image = Image.fromarray(picture()).convert("L" if mode in ("1", "L", "LA") else "RGB")
    if mode in ("P", "PA"):
        return image.convert("P", palette=Image.Palette.ADAPTIVE).convert(mode)
    return image.convert(mode)


@pytest.mark.filterwarnings("ignore")  # of Pillow, when it writes
@pytest.mark.parametrize("mode", EIGHT_BITS)
def test_modes_of_eight_bits(mode: str, tmp_path: Path) -> None:
    """In all formats that Pillow writes them in. The suffix says nothing: files carry wrong ones."""
    image, compared = of_mode(mode), 0
    expected = np.asarray(image.convert("RGB")).astype(np.int64)
    for name in sorted(Image.SAVE):
        path = written(tmp_path / f"{name}.x", image, name)
        if path is None:
            continue
        if name not in (*IMAGE_FORMATS, "MPO"):
            assert refusal(path) == f"data.root: {path} is not a readable image\n  repair the file, or remove it"
            continue
        error = np.abs(read(path) - expected)
        compared += 1
        if name in LOSSY or (mode, name) == ("YCbCr", "JPEG2000"):
            assert error.mean() < 8, name
        else:
            assert error.max() <= (16 if name == "GIF" else 2), name  # GIF has 256 colours
    assert compared >= {"LAB": 1, "HSV": 0, "PA": 1, "RGBX": 2, "CMYK": 2, "YCbCr": 2}.get(mode, 6)


DEEP = [
    ("png", "u2", {}), ("tif", "<u2", {}), ("tif", ">u2", {}), ("pgm", "u2", {}), ("jp2", "u2", {}), ("ico", "u2", {}),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "dtype", "options"), DEEP)
def test_grey_of_16_bits_equals_grey_of_8(suffix: str, dtype: str, options: Any, tmp_path: Path) -> None:
    eight = picture(32, 32)[..., 0]
    sixteen = Image.fromarray((eight.astype(np.uint16) * 257).astype(dtype))
    path = written(
        tmp_path / f"deep.{suffix}", sixteen, {"tif": "TIFF", "jp2": "JPEG2000", "pgm": "PPM"}.get(suffix, suffix)
    )
    assert path is not None
    with Image.open(path) as image:
        assert image.mode.startswith("I")
    assert np.abs(read(path) - eight[..., None]).max() <= 2


def grey_tiff(path: Path, values: NDArray[Any], bits: int, photometric: int = 1, sample_format: int = 1) -> Path:
    """A TIFF (height, width) written by hand, of one strip without compression; 12 bits are packed."""
    height, width = values.shape
    if bits == 12:
        flat = values.astype(np.uint32).reshape(-1, 2)
        pairs = (flat[:, 0] << 12) | flat[:, 1]
        data = np.stack([pairs >> 16, pairs >> 8, pairs], axis=1).astype(np.uint8).tobytes()
    else:
        data = values.tobytes()
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 0),
        (277, 3, 1), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, kind, value in entries:
        head += struct.pack("<HHII", tag, kind, 1, start if tag == 273 else value)
    path.write_bytes(head + struct.pack("<I", 0) + data)
    return path


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 1), (16, 0)])
def test_white_of_a_tiff_follows_its_tags(bits: int, photometric: int, tmp_path: Path) -> None:
    """12 bits have their white at 4,095. With photometric 0, white is 0."""
    eight = picture(16, 16)[..., 0].astype(np.int64)
    white = 2**bits - 1
    deep = np.rint(eight * (white / 255)).astype("<u2")
    path = grey_tiff(tmp_path / "deep.tif", deep if photometric else white - deep, bits, photometric)
    assert np.abs(read(path) - eight[..., None]).max() <= 2


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("dtype", ["f4", "i4", "i2"])
def test_numbers_without_a_white_are_refused(dtype: str, photometric: int, tmp_path: Path) -> None:
    eight = picture(16, 16)[..., 0]
    kind = {"f": 3, "i": 2}[dtype[0]]
    path = grey_tiff(tmp_path / "deep.tif", eight.astype(f"<{dtype}"), 8 * int(dtype[1]), photometric, kind)
    said = refusal(path)
    assert said.startswith(f"data.root: {path} ")
    if photometric == 1:
        numbers = "floating-point" if dtype == "f4" else "signed or 32-bit"
        assert said == (
            f"data.root: {path} has {numbers} pixels, and does not say which value is white\n"
            "  convert it to 8 bits, or to 16 bits without a sign"
        )


def test_unsigned_32_bits_and_floats_of_a_pfm_are_refused(tmp_path: Path) -> None:
    grey = picture(16, 16)[..., 0]
    assert "signed or 32-bit" in refusal(grey_tiff(tmp_path / "a.tif", grey.astype("<u4") << 24, 32))
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "a.pfm")
    assert "floating-point" in refusal(tmp_path / "a.pfm")


@pytest.mark.parametrize("colour_type", [2, 6])
def test_colour_of_16_bits(colour_type: int, tmp_path: Path) -> None:
    eight = picture(16, 16)
    if colour_type == 6:
        eight = np.concatenate([eight, np.full((16, 16, 1), 255, np.uint8)], axis=2)
    path = png(tmp_path / "deep.png", eight.astype(np.uint16) * 257, 16, colour_type)
    assert np.abs(read(path) - eight[..., :3]).max() <= 2


# Transparency


def png(path: Path, values: NDArray[Any], bits: int, colour_type: int, transparent: bytes = b"") -> Path:
    """A PNG of values (height, width, channels), written by hand, with a tRNS chunk if one is given."""
    height, width, _ = values.shape
    rows = values.astype(">u2" if bits == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))]
    chunks += [(b"tRNS", transparent)] if transparent else []
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


SIGN = np.zeros((8, 8), dtype=bool)
SIGN[2:6, 3:5] = True


def sign(mode: str) -> Image.Image:
    """A black sign on transparent black: only alpha tells it from its surroundings."""
    alpha = Image.fromarray(np.where(SIGN, 255, 0).astype(np.uint8))
    image = Image.new("LA" if mode == "LA" else "RGBA", alpha.size, 0)
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("background", [WHITE, (10, 200, 30)])
@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("LA", "PNG"), ("RGBA", "PNG"), ("RGBA", "TIFF"), ("LA", "TIFF"), ("RGBA", "WEBP"), ("RGBA", "GIF"),
        ("RGBA", "TGA"), ("RGBA", "QOI"), ("RGBA", "ICO"), ("RGBA", "JPEG2000"), ("RGBA", "SGI"),
    ],
)  # fmt: skip
def test_transparent_pixels_show_the_background(
    mode: str, name: str, background: tuple[int, int, int], tmp_path: Path
) -> None:
    path = tmp_path / "sign.png"
    sign(mode).save(path, name, **({"lossless": True} if name == "WEBP" else {}))
    expected = np.where(SIGN[..., None], 0, np.array(background))
    assert np.abs(read(path, background) - expected).max() <= 2


def test_half_transparent_pixels_are_mixed(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 0, 100, 128)).save(tmp_path / "half.png")
    mixed = np.array([200, 0, 100]) * (128 / 255) + 255 * (127 / 255)
    assert np.abs(read(tmp_path / "half.png") - mixed).max() <= 1


def test_a_premultiplied_tiff(tmp_path: Path) -> None:
    """Its colours are products with alpha: (100, 0, 50) at alpha 128 is (199, 0, 100)."""
    data = np.tile(np.array([100, 0, 50, 128], np.uint8), 16)
    entries = [
        (256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 4, 0), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 0),
        (277, 3, 1, 4), (278, 4, 1, 4), (279, 4, 1, len(data)), (338, 3, 1, 1),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, kind, count, value in entries:
        head += struct.pack("<HHII", tag, kind, count, {258: start, 273: start + 8}.get(tag, value))
    path = tmp_path / "product.tif"
    path.write_bytes(head + struct.pack("<I", 0) + struct.pack("<4H", 8, 8, 8, 8) + data.tobytes())
    assert np.abs(read(path) - (np.array([100, 0, 50]) + 127)).max() <= 2


@pytest.mark.parametrize(
    ("bits", "colour_type", "transparent"),
    [
        (8, 0, struct.pack(">H", 77)),
        (16, 0, struct.pack(">H", 77 * 257)),
        (8, 2, struct.pack(">3H", 77, 77, 77)),
        (16, 2, struct.pack(">3H", *[77 * 257] * 3)),
    ],
)
def test_a_colour_that_a_png_calls_transparent(bits: int, colour_type: int, transparent: bytes, tmp_path: Path) -> None:
    grey = np.where(SIGN, 20, 77).astype(np.uint16)[..., None] * (257 if bits == 16 else 1)
    values = np.repeat(grey, 3, axis=2) if colour_type == 2 else grey
    path = png(tmp_path / "sign.png", values, bits, colour_type, transparent)
    assert (read(path, (1, 2, 3)) == np.where(SIGN[..., None], 20, np.array((1, 2, 3)))).all()


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_a_palette_with_transparency(transparency: Any, tmp_path: Path) -> None:
    image = Image.fromarray(np.where(SIGN, 0, 1).astype(np.uint8), mode=None).convert("L")
    image = Image.frombytes("P", (8, 8), image.tobytes())
    image.putpalette([20, 30, 40, 0, 0, 0])
    image.save(tmp_path / "sign.png", transparency=transparency)
    assert (read(tmp_path / "sign.png") == np.where(SIGN[..., None], (20, 30, 40), 255)).all()


def test_an_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).convert("RGBA").save(tmp_path / "opaque.png")
    assert (read(tmp_path / "opaque.png", (9, 9, 9)) == noise).all()


# Orientation

UPRIGHT = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a.swapaxes(0, 1), 2), 8: np.rot90,
}  # fmt: skip
"""What makes a stored picture upright, by the number of EXIF 2.3, 4.6.4, tag 274."""


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP", "grey TIFF", "16-bit PNG", "16-bit TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_is_applied(orientation: int, name: str, tmp_path: Path) -> None:
    stored = np.zeros((16, 24, 3), np.uint8)  # no turn or flip leaves it as it is
    stored[:8, :8], stored[8:, :8] = 90, 200
    kind, name = name.rsplit(" ", 1) if " " in name else ("colour", name)
    grey = stored[..., 0]
    image = {"colour": stored, "grey": grey, "16-bit": grey.astype(np.uint16) * 257}[kind]
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image).save(tmp_path / "a.png", name, exif=exif)
    found = read(tmp_path / "a.png")
    expected = UPRIGHT[orientation](stored).astype(np.int64)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (2 if name in ("PNG", "TIFF") else 20)


# Files with several pictures, and files that claim or break


def test_further_frames_and_pages_are_told(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (10, 200)]
    for name in ("GIF", "TIFF", "PNG", "WEBP"):
        options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
        frames[0].save(tmp_path / "two.png", name, save_all=True, append_images=frames[1:], **options)
        image, has_more = read_rgb(str(tmp_path / "two.png"), WHITE)
        assert (image.getpixel((0, 0)), has_more) == ((10, 0, 0), True), name
    frames[0].save(tmp_path / "one.png")
    assert read_rgb(str(tmp_path / "one.png"), WHITE)[1] is False


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    path = png(tmp_path / "huge.png", np.zeros((1, 1, 1)), 8, 0)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    assert refusal(path) == (
        f"data.root: {path} says that it has more than 178,956,970 pixels\n  make the image smaller, or remove the file"
    )


def test_a_large_image_is_read_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # Pillow warns above it, and refuses at twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read(tmp_path / "a.png") == picture(8, 8)).all()


def test_a_file_that_is_not_there_and_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nothing.png")
    for name in ("a.png", "b.png"):
        assert refusal(tmp_path / name) == (
            f"data.root: {tmp_path / name} is not a readable image: No such file or directory\n"
            "  repair the file, or remove it"
        )


@pytest.mark.parametrize("name", sorted(name for name in IMAGE_FORMATS if name in Image.SAVE))
def test_damaged_files_end_in_a_message_that_names_them(name: str, tmp_path: Path) -> None:
    """Cut short, or with bytes changed: each is read, or refused by name, whatever Pillow raises."""
    whole = io.BytesIO()
    Image.fromarray(picture()).save(whole, name)
    draw = np.random.default_rng(0)
    path, refused = tmp_path / "damaged.png", 0
    for attempt in range(60):
        data = bytearray(whole.getvalue())
        if attempt % 3 == 0:
            del data[int(draw.integers(0, len(data))) :]
        for place in draw.integers(0, min(len(data), 200), 4) if data else ():
            data[place] = int(draw.integers(0, 256))
        path.write_bytes(data)
        message = outcome(path)
        assert message is None or str(path) in message
        refused += message is not None
    assert refused > 0
