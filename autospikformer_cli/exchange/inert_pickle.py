"""Reads pickles and calls nothing that they name. Tensors, arrays and plain values are made; all else stays inert.

A pickle is a program: it names classes and functions, and says what to call them with. Here each name stands for one of
a few functions of this file, or for a class of this file that keeps what it is given and does nothing (`Inert`).
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_HOSTILE_MODULES = frozenset((
    "os", "posix", "nt", "sys", "subprocess", "_posixsubprocess", "commands", "shutil", "socket", "importlib", "runpy",
    "pty", "code", "ctypes", "webbrowser",
))  # fmt: skip
_HOSTILE_BUILTINS = frozenset(["exec", "eval", "compile", "open", "input", "breakpoint", "__import__"])
_NUMBERS = "biuf"
"""numpy's kinds of plain numbers."""


class HostileName(Exception):
    """The pickle names something that no checkpoint needs. It was not called, but somebody wanted it to be."""


class Inert:
    """Stands for an object of a class that is not loaded. It keeps what the file gives it, and does nothing.

    arguments: what the class would be called with. state: what the object would be filled with. items: if the class is
    a kind of dictionary, its content.
    """

    dump_patches = False  # torch asks this of classes in its oldest format

    def __new__(cls, *arguments: Any, **_: Any) -> Inert:
        """Keep the arguments."""
        new = super().__new__(cls)
        new.arguments, new.state, new.items = arguments, None, {}
        return new

    arguments: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def __call__(self, *_: Any, **__: Any) -> Inert:
        """Stand for what the object would return."""
        return self

    def append(self, value: Any) -> None:
        """Ignore a list's element."""

    def extend(self, values: Any) -> None:
        """Ignore a list's elements."""

    def add(self, value: Any) -> None:
        """Ignore a set's element."""


class InertArray(Inert):
    """A numpy array, of which numpy made nothing."""

    def tensor(self) -> torch.Tensor | None:
        """The array as a tensor; None if it holds anything but plain numbers. Raises ValueError if it is damaged."""
        import numpy as np
        import torch

        _, shape, dtype, by_columns, data = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or dtype.code is None:
            return None
        array = np.frombuffer(data, dtype.code).reshape(shape, order="F" if by_columns else "C")
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))


class _Dtype(Inert):
    """numpy's type of an array's elements."""

    @property
    def code(self) -> str | None:
        """As numpy writes it, such as "<f8"; None for other elements than numbers."""
        kind = self.arguments[0] if self.arguments else None
        if not isinstance(kind, str) or kind[:1] not in _NUMBERS:
            return None
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "|"
        return (order if order in ("<", ">") else "") + kind


def _array_from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> InertArray:
    array = InertArray()
    array.state = (1, shape, dtype, order == "F", bytes(data))
    return array


def _new_array(*_: Any) -> InertArray:
    return InertArray()


def _new_dict(*_: Any) -> dict[Any, Any]:
    return {}


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Bytes, as protocol 2 writes them."""
    return text.encode("latin1")


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _tensor_with_attributes(make: Callable[..., Any], _: Any, arguments: tuple[Any, ...], __: Any) -> Any:
    return make(*arguments)


def _known_functions() -> Mapping[tuple[str, str], Any]:
    """What stands for the names that make tensors, arrays and plain containers."""
    from torch import _utils

    known: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor_v2"): _utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_tensor"): _utils._rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch._tensor", "_rebuild_from_type_v2"): _tensor_with_attributes,
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): _new_dict,
        ("builtins", "set"): set,
        ("torch", "Size"): tuple,
        ("_codecs", "encode"): _encoded,
        ("numpy", "dtype"): _Dtype,
        ("numpy", "ndarray"): Inert,
        ("argparse", "Namespace"): Inert,
    }
    for package in ("numpy.core", "numpy._core"):
        known[f"{package}.multiarray", "_reconstruct"] = _new_array
        known[f"{package}.multiarray", "scalar"] = Inert
        known[f"{package}.numeric", "_frombuffer"] = _array_from_buffer
    return known


def read_inertly(file: Path) -> tuple[object, tuple[str, ...]]:
    """What torch.save or pickle wrote, and the names of the classes and functions that were not loaded.

    Raises HostileName, or any error for a damaged file.
    """
    import torch

    strangers: dict[str, type[Inert]] = {}
    reader = _pickle_module(strangers)
    if not zipfile.is_zipfile(file):
        with file.open("rb") as stream:
            first = reader.load(stream)
        if first != torch.serialization.MAGIC_NUMBER:
            return first, tuple(strangers)
    loaded = torch.load(file, map_location="cpu", weights_only=False, pickle_module=reader)
    return loaded, tuple(strangers)


def _pickle_module(strangers: dict[str, type[Inert]]) -> Any:
    """Stands for the module pickle. It adds the names that it does not load to the strangers."""
    known = _known_functions()

    class Unpickler(pickle.Unpickler):
        """Finds no class but those of this file."""

        def find_class(self, module: str, name: str) -> Any:
            """What stands for a name. No module is imported."""
            module = module.replace("__builtin__", "builtins")  # as Python 2 and protocol 2 call it
            if (module, name) in known:
                return known[module, name]
            plain = module == "builtins"
            if name in _HOSTILE_BUILTINS if plain else module.partition(".")[0] in _HOSTILE_MODULES:
                raise HostileName(name if plain else f"{module}.{name}")
            if plain:
                return Inert
            whole = f"{module}.{name}"
            return strangers.setdefault(whole, type(name, (Inert,), {}))

    def load(stream: IO[bytes], **options: Any) -> object:
        return Unpickler(stream, **options).load()

    return SimpleNamespace(Unpickler=Unpickler, load=load, __name__="inert_pickle")


def entries_of(value: object) -> Mapping[Any, Any] | None:
    """What a dictionary, or an object of an unknown kind of dictionary, holds. A torch module gives its state dict.

    None for anything else.
    """
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, Inert):
        return None
    if value.items:
        return value.items
    return dict(_state_of_module(value)) if _is_module(value) else None


def _is_module(value: object) -> bool:
    return isinstance(value, Inert) and isinstance(value.state, dict) and isinstance(value.state.get("_modules"), dict)


def _state_of_module(module: Inert, prefix: str = "") -> list[tuple[str, Any]]:
    """The parameters and persistent buffers of a pickled torch module, with their names in its state dict."""
    state = module.state
    unsaved = state.get("_non_persistent_buffers_set", ())
    own = {**state.get("_parameters", {}), **state.get("_buffers", {})}
    found = [(prefix + name, value) for name, value in own.items() if value is not None and name not in unsaved]
    for name, child in state["_modules"].items():
        if _is_module(child):
            found += _state_of_module(child, f"{prefix}{name}.")
    return found


def tensor_of(value: object) -> torch.Tensor | None:
    """A tensor, or an array of numbers as a tensor; None for anything else. Raises ValueError if it is damaged."""
    import torch

    if isinstance(value, torch.Tensor):
        return value
    return value.tensor() if isinstance(value, InertArray) else None
