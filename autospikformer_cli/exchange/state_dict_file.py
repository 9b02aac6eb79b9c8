"""Checkpoint files of other programs: reads tensors by name, and never runs code from the file."""

from __future__ import annotations

import argparse
import hashlib
import pickletools
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import shortened

if TYPE_CHECKING:
    import torch

SAFETENSORS = ".safetensors"
SUFFIXES = (".pth", ".pt", ".pth.tar", ".bin", SAFETENSORS)
"""Only a safetensors file is recognised by its suffix; every other file is read as torch's."""
ENTRIES = ("state_dict", "model", "state_dict_ema", "model_ema")
"""Keys under which training scripts store a state dict. The first one that exists is read."""
_IF_TRUSTED = "if you trust its author, load it in a Python of your own and save its state_dict() alone"
_CALLS = ("REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX")
_GET_AGAIN = "get the file again, and compare its size with the publisher's"


@dataclass(frozen=True)
class StateDict:
    """A file's tensors on the CPU, under their names in the file, and the file's SHA-256.

    remarks: what else a user should know. metadata: texts next to the tensors; only safetensors files have them.
    """

    tensors: dict[str, torch.Tensor]
    sha256: str
    remarks: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_state_dict(file: Path) -> StateDict:
    """Read a state dict. Raises UserError if the file is missing, damaged or not a checkpoint, or would run code."""
    sha256 = _sha256(file)
    if file.suffix == SAFETENSORS:
        tensors, metadata = _read_safetensors(file)
        read = StateDict(tensors, sha256, metadata=metadata)
    else:
        loaded = _read_torch(file)
        read = StateDict(_tensors(file, loaded), sha256, tuple(_remarks(loaded)))
    if not read.tensors:
        raise UserError("holds no tensors", str(file), "save the network's state_dict() in it")
    return read


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError("there is no such file", str(file), "write the path of a checkpoint") from error
    except IsADirectoryError as error:
        raise UserError("is a folder", str(file), f"name a file in it: {', '.join(SUFFIXES)}") from error
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise UserError(what, str(file), "allow reading it, or copy it elsewhere") from error


def _read_safetensors(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file."""
    from safetensors import safe_open

    try:
        with safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except Exception as error:  # damaged bytes: SafetensorError, or a dtype that this torch lacks
        raise UserError("damaged, cut short, or no safetensors file", str(file), _GET_AGAIN) from error


def _read_torch(file: Path) -> object:
    """What torch.save wrote: tensors and plain values. Of other classes, only timm's argparse.Namespace is built."""
    import torch

    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # files that torch warns of (TorchScript, a new pickle protocol) fail, too
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can raise anything in torch's reader
        if stranger := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(
                f"refused: reading it would run {stranger[1]}, and a checkpoint needs tensors alone",
                str(file),
                _IF_TRUSTED,
            ) from error
        if _calls_code(file):
            raise UserError(
                "refused: it is a pickle that calls code, not torch's tensors", str(file), _IF_TRUSTED
            ) from error
        raise UserError("damaged, cut short, or no checkpoint of torch", str(file), _GET_AGAIN) from error


def _calls_code(file: Path) -> bool:
    """Whether a file is a plain pickle, of any protocol, that would call something when it is read."""
    try:
        with file.open("rb") as stream:
            operations = [operation.name for operation, _, _ in pickletools.genops(stream)]
            return operations[0] == "PROTO" and not set(_CALLS).isdisjoint(operations)
    except ValueError:  # not a pickle, or damaged before it calls anything
        return False


def _entries(loaded: Mapping[object, object]) -> list[str]:
    return [name for name in ENTRIES if isinstance(loaded.get(name), Mapping)]


def _tensors(file: Path, loaded: object) -> dict[str, torch.Tensor]:
    """The state dict in what was loaded: one of its entries, or all of it. Raises UserError if there is none."""
    import torch

    if not isinstance(loaded, Mapping):
        raise UserError(f"holds a {type(loaded).__name__}, not a state dict", str(file), "save network.state_dict()")
    entries = _entries(loaded)
    state = loaded[entries[0]] if entries else loaded
    if state and not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(
            f"has no state dict, only {shortened([str(key) for key in loaded])}",
            str(file),
            f"aspk reads a state dict that is the file itself, or its {', '.join(ENTRIES)}",
        )
    odd = [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise UserError(f"its state dict holds more than tensors: {shortened(odd)}", str(file), "save tensors alone")
    return {str(name): tensor for name, tensor in state.items()}


def _remarks(loaded: object) -> list[str]:
    entries = _entries(loaded) if isinstance(loaded, Mapping) else []
    return [f"the file's {entries[0]} is imported, its {name} is not" for name in entries[1:]]
