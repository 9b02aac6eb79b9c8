"""HDF5 files that are whole or absent, with a SHA-256 for every array, checked on reading.

A file is built in memory and written as `atomic_files` does. Every dataset has an attribute `sha256`, the hash of its
dtype, shape and bytes. Nothing is pickled: numbers are arrays, texts are UTF-8 strings, structures are JSON texts.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.atomic_files import explaining_refusal, require_regular, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import quoted, shortened

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Array = NDArray[Any]
AnyDataclass = TypeVar("AnyDataclass", bound="DataclassInstance")

SCHEMA_VERSION = 1
"""Add one if a reader of the old layout would misread the new one."""

SEARCHES_FOLDER = "searches"
"""The folder of a run that holds the files of its searches."""

REMEDIES = {
    "supernet": "restore it from a copy, or delete it and train again: aspk train RECIPE",
    "population": "restore it from a copy, or delete it and search again: aspk search --run {run}",
    "evaluations": "restore it from a copy, or delete it and evaluate again: aspk evaluate --run {run} --subnet best; "
    "for the table of aspk finish: aspk finish --run {run} (what is trained is not trained again)",
    "similarity": "delete it and measure again: aspk analyze channels --run {run}",
    "predictions": "restore it from a copy, or write it again: aspk evaluate --predictions {path}",
    "frames": "delete it: the next command makes it again from the recordings",
    "images": "delete it: the next command makes it again from the image files",
}
"""Kind of file -> what the user can do if such a file is unusable."""

_HDF5_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises on damaged bytes; found by flipping every byte of a file in turn."""

_HEADER = ("schema_version", "kind", "aspk_version")
_MIN_COMPRESSED_BYTES = 512
_WIDTHS = (np.int8, np.int16, np.int32, np.int64)


def aspk_version() -> str:
    """The version of the installed package; 'unknown' if it runs from a source tree."""
    try:
        return metadata.version("autospikformer-cli")
    except metadata.PackageNotFoundError:
        return "unknown"


def write_h5(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write the file that `fill` fills, whole or not at all. Raises UserError if it cannot be written."""
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("v110", "v110")) as file:  # since 1.10, HDF5 has checksums of its own structures
        fill(file)
    with explaining_refusal(path, "make room or allow writing there, then run the same command again"):
        write_whole(path, image.getbuffer())


def put_header(file: h5py.File, kind: str, recipe_toml: str) -> None:
    """Store what the file is: schema version, kind, version of aspk, resolved recipe."""
    file.attrs.update(schema_version=SCHEMA_VERSION, kind=kind, aspk_version=aspk_version())
    file.attrs["sha256"] = _header_hash(file)
    put_text(file, "recipe", recipe_toml)


def _header_hash(file: h5py.File) -> str:
    return hashlib.sha256(json.dumps([str(file.attrs[name]) for name in _HEADER]).encode()).hexdigest()


@contextmanager
def open_h5(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open an aspk file for reading, and check its header.

    HDF5's own file locks are off: files are replaced, never changed, and network file systems often lack locks.
    Raises UserError if it is no regular file, may not be read, is damaged, not written by aspk, of another kind or of
    another schema.
    """
    with explaining_refusal(path, "allow reading it", "cannot be read"):
        require_regular(path, _remedy(path, kind))
        path.open("rb").close()  # h5py does not tell a file that may not be read from a damaged one
    try:
        readable = bool(h5py.is_hdf5(path))
        file = h5py.File(path, "r", locking=False) if readable else None
    except _HDF5_FAILURES as error:
        raise UserError("damaged or cut short, HDF5 cannot open it", str(path), _remedy(path, kind)) from error
    if file is None:
        raise UserError("not an HDF5 file", str(path), _remedy(path, kind))
    with file:
        _check_header(file, path, kind)
        yield file


def _check_header(file: h5py.File, path: Path, kind: str) -> None:
    try:
        header = {name: file.attrs[name] for name in (*_HEADER, "sha256") if name in file.attrs}
        sound = len(header) > len(_HEADER) and header["sha256"] == _header_hash(file)
    except _HDF5_FAILURES as error:
        raise UserError("damaged, its header cannot be read", str(path), _remedy(path, kind)) from error
    if "schema_version" not in header:
        raise UserError("not written by aspk, it has no schema_version", str(path), _remedy(path, kind))
    if not sound:
        raise UserError("damaged, its header does not match its SHA-256", str(path), _remedy(path, kind))
    if header["kind"] != kind:
        raise UserError(f"a {header['kind']} file where a {kind} file belongs", str(path), _remedy(path, kind))
    if header["schema_version"] != SCHEMA_VERSION:
        raise UserError(
            f"written in schema {header['schema_version']}, this aspk reads schema {SCHEMA_VERSION}",
            str(path),
            f"read it with aspk {header['aspk_version']}, which wrote it",
        )


def _remedy(path: Path, kind: str) -> str:
    run = path.parent.parent if path.parent.name == SEARCHES_FOLDER else path.parent
    return REMEDIES[kind].format(path=quoted(path), run=quoted(run))


def array_hash(array: Array) -> str:
    """SHA-256 of an array's dtype, shape and bytes (in C order), as hexadecimal text."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.asarray(array, order="C").reshape(-1).data)
    return digest.hexdigest()


def put(group: h5py.Group, name: str, array: Array, *, compress: bool = False) -> str:
    """Store an array and its hash; returns the hash. dtype and shape are kept, also those of a scalar."""
    array = np.asarray(array)
    packed = compress and array.nbytes >= _MIN_COMPRESSED_BYTES
    filters = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if packed else {}
    dataset = group.create_dataset(name, data=array, **filters)
    dataset.attrs["sha256"] = array_hash(array)
    return str(dataset.attrs["sha256"])


def put_integers(group: h5py.Group, name: str, values: Array | Sequence[int]) -> None:
    """Store a column of whole numbers in the narrowest signed type that holds them: it is read in less time."""
    array = np.asarray(values, np.int64)
    ends = (int(array.min()), int(array.max())) if array.size else (0, 0)
    kind = next(kind for kind in _WIDTHS if np.iinfo(kind).min <= ends[0] and ends[1] <= np.iinfo(kind).max)
    put(group, name, array.astype(kind), compress=True)


def get(group: h5py.Group, name: str) -> Array:
    """A stored array, checked against its hash. Raises UserError if it is missing or damaged."""
    dataset = _member(group, name)
    try:
        array = np.empty(dataset.shape, dataset.dtype)
        if array.size:
            dataset.read_direct(array)
        stored = dataset.attrs["sha256"]
    except _HDF5_FAILURES as error:
        raise damage(group, name, "cannot be read") from error
    if array_hash(array) != stored:
        raise damage(group, name, "does not match its SHA-256")
    return array


def get_hash(group: h5py.Group, name: str) -> str:
    """The `array_hash` that is stored with an array, which is not read. Raises UserError if it is missing."""
    dataset = _member(group, name)
    try:
        return str(dataset.attrs["sha256"])
    except _HDF5_FAILURES as error:
        raise damage(group, name, "cannot be read") from error


def get_group(group: h5py.Group, name: str) -> h5py.Group:
    """A group inside a group. Raises UserError if it is missing or damaged."""
    return _member(group, name)


def require_members(group: h5py.Group, names: Iterable[str]) -> None:
    """Raises UserError for the first member that a group lacks. Nothing of the others is read."""
    for name in names:
        try:
            is_there = name in group
        except _HDF5_FAILURES as error:
            raise damage(group, name, "cannot be read") from error
        if not is_there:
            raise damage(group, name, "is missing")


def _member(group: h5py.Group, name: str) -> Any:
    require_members(group, [name])
    try:
        return group[name]
    except _HDF5_FAILURES as error:
        raise damage(group, name, "cannot be read") from error


def damage(group: h5py.Group, name: str, how: str) -> UserError:
    """The error for a member of a store that cannot be used: it names the file, and the remedy."""
    path = Path(group.file.filename)
    place = f"{group.name}/{name}".strip("/")
    return UserError(f"damaged, {place!r} {how}", str(path), _remedy(path, str(group.file.attrs["kind"])))


def put_texts(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    """Store a column of texts as UTF-8 strings of one length. Raises ValueError for a text with a NUL character."""
    put(group, name, _utf8(texts), compress=True)


def get_texts(group: h5py.Group, name: str) -> list[str]:
    """A stored column of texts. Raises UserError if it is missing or damaged."""
    return [text.decode() for text in get(group, name).tolist()]


def put_text(group: h5py.Group, name: str, text: str) -> None:
    """Store one text as a UTF-8 string. Raises ValueError for a text with a NUL character."""
    put(group, name, _utf8([text]).reshape(()))


def get_text(group: h5py.Group, name: str) -> str:
    """A stored text. Raises UserError if it is missing or damaged."""
    return str(get(group, name).item().decode())


def _utf8(texts: Sequence[str]) -> Array:
    if any("\0" in text for text in texts):
        raise ValueError("a text with a NUL character cannot be stored")
    encoded = [text.encode() for text in texts]
    length = max(map(len, encoded), default=0) or 1
    return np.array(encoded, f"S{length}").astype(h5py.string_dtype("utf-8", length))


def put_json(group: h5py.Group, name: str, value: object) -> None:
    """Store a structure as JSON text. Raises TypeError if JSON would change it, as it does a tuple."""
    _require_json(value, name)
    put_text(group, name, json.dumps(value, ensure_ascii=True, sort_keys=True))


def get_json(group: h5py.Group, name: str) -> Any:
    """A stored structure. Raises UserError if it is missing or damaged."""
    return json.loads(get_text(group, name))


def as_dataclass(kind: type[AnyDataclass], values: Mapping[str, Any], group: h5py.Group) -> AnyDataclass:
    """A stored structure as the data class that it was. Raises UserError if this aspk does not know all of it.

    group: where it is stored. A field that an older aspk did not write has its default.
    """
    if not isinstance(values, dict):
        raise damage(group, kind.__name__, "is not a table of fields")
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        writer = group.file.attrs["aspk_version"]
        raise UserError(
            f"aspk {writer} wrote it with {shortened(unknown)}, which this aspk {aspk_version()} does not know",
            str(group.file.filename),
            "read it with the aspk that wrote it, or with a newer one",
        )
    required = [name for name, each in known.items() if each.default is MISSING and each.default_factory is MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise damage(group, kind.__name__, f"has no {shortened(missing)}")
    return kind(**values)


def _require_json(value: object, place: str) -> None:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        for key, part in value.items():
            _require_json(part, f"{place}.{key}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _require_json(part, f"{place}[{index}]")
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"{place} is of type {type(value).__name__}, which JSON does not give back")
