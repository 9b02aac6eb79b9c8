"""Checkpoint files of other programs: reads tensors by name, and never runs code from the file."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autospikformer_cli.atomic_files import require_regular
from autospikformer_cli.errors import UserError
from autospikformer_cli.spiking.published import AVERAGED
from autospikformer_cli.wording import shortened

if TYPE_CHECKING:
    import torch

SAFETENSORS = ".safetensors"
SUFFIXES = (".pth", ".pt", ".ckpt", ".pth.tar", ".bin", ".pkl", SAFETENSORS)
"""Only a safetensors file is recognised by its suffix; every other file is read as torch's."""
ENTRIES = ("state_dict", "model", "model_state_dict", "net", "network", "model_state", "module", "weights", "params")
"""Usual keys of a state dict next to other things. The first one that exists is read, then any other."""
_DEEPEST = 3
"""Dictionaries within dictionaries that are searched for a state dict."""
_IF_TRUSTED = "if you trust its author, load it in a Python of your own and save its state_dict() alone"
_GET_AGAIN = "get the file again, and compare its size with the publisher's"


@dataclass(frozen=True)
class StateDict:
    """A file's tensors on the CPU, under their names in the file, and the file's SHA-256.

    left_out: names in the state dict of what is no tensor. remarks: what else a user should know. metadata: texts next
    to the tensors; only safetensors files have them.
    """

    tensors: dict[str, torch.Tensor]
    sha256: str
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_state_dict(file: Path) -> StateDict:
    """Read a state dict. Raises UserError if the file is missing, damaged or not a checkpoint, or would run code."""
    sha256 = _sha256(file)
    if file.suffix == SAFETENSORS:
        tensors, metadata = _read_safetensors(file)
        read = StateDict(tensors, sha256, metadata=metadata)
    else:
        loaded, strangers = _read_torch(file)
        chosen, *others = _found(file, loaded)
        remarks = [*_about_choice(chosen, others), *_about_strangers(strangers)]
        read = StateDict(chosen.tensors, sha256, chosen.left_out, tuple(remarks))
    if not read.tensors:
        raise UserError("holds no tensors", str(file), "save the network's state_dict() in it")
    return read


def _sha256(file: Path) -> str:
    try:
        require_regular(file, f"name a checkpoint: {', '.join(SUFFIXES)}")
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError("there is no such file", str(file), "write the path of a checkpoint") from error
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


def _read_torch(file: Path) -> tuple[object, tuple[str, ...]]:
    """What torch.save or pickle wrote, and the names of the classes and functions that were not loaded.

    torch's own reader takes tensors, plain values and timm's argparse.Namespace. Other files are read inertly.
    """
    import torch

    from autospikformer_cli.exchange.inert_pickle import HostileName, read_inertly

    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # files that torch warns of (TorchScript, a new pickle protocol) fail, too
            try:
                return torch.load(file, map_location="cpu", weights_only=True), ()
            except pickle.UnpicklingError:  # it names something that torch does not trust, or is damaged
                return read_inertly(file)
    except HostileName as error:
        what = f"refused: reading it would run {error}, and a checkpoint needs tensors alone"
        raise UserError(what, str(file), _IF_TRUSTED) from error
    except Exception as error:  # damaged bytes can raise anything in torch's reader
        raise UserError("damaged, cut short, or no checkpoint of torch", str(file), _GET_AGAIN) from error


class _Found(NamedTuple):
    """A dictionary with tensors.

    path: the keys that lead to it; empty for the file itself. left_out: names of what is no tensor.
    """

    path: tuple[str, ...]
    tensors: dict[str, torch.Tensor]
    left_out: tuple[str, ...]

    @property
    def name(self) -> str:
        """The keys, with dots."""
        return ".".join(self.path)

    @property
    def is_averaged(self) -> bool:
        """Whether its name says that its weights are means over the training."""
        return AVERAGED.search(self.name) is not None

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The lowest is read: not averaged, of a usual name, with the most tensors."""
        usual = ENTRIES.index(self.path[-1]) if self.path and self.path[-1] in ENTRIES else len(ENTRIES)
        return self.is_averaged, usual, -len(self.tensors)


def _found(file: Path, loaded: object) -> list[_Found]:
    """The dictionaries with tensors in what was loaded, the one to read first. Raises UserError if there is none."""
    from autospikformer_cli.exchange.inert_pickle import entries_of

    try:
        entries = entries_of(loaded)
        found = sorted(_search(entries or {}, ()), key=lambda each: each.rank)
    except Exception as error:  # a network or an array without what it needs can raise anything
        raise UserError("damaged, cut short, or no checkpoint of torch", str(file), _GET_AGAIN) from error
    if entries is None:
        raise UserError(f"holds a {type(loaded).__name__}, not a state dict", str(file), "save network.state_dict()")
    if not found:
        only = f", only {shortened([str(key) for key in entries])}" if entries else ""
        raise UserError(f"holds no tensors{only}", str(file), "save the network's state_dict() in it")
    return found


def _search(entries: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[_Found]:
    from autospikformer_cli.exchange.inert_pickle import entries_of, tensor_of

    named = {name: value for name, value in entries.items() if isinstance(name, str)}
    tensors = {name: tensor for name, value in named.items() if (tensor := tensor_of(value)) is not None}
    if tensors:
        yield _Found(path, tensors, tuple(name for name in named if name not in tensors))
    for name, value in named.items():
        inner = entries_of(value)
        if inner is not None and len(path) < _DEEPEST:
            yield from _search(inner, (*path, name))


def _about_choice(chosen: _Found, others: Sequence[_Found]) -> Iterator[str]:
    for other in others:
        if other.path and len(other.tensors) > 1:
            taken = f"the file's {chosen.name} is" if chosen.path else "the file's own tensors are"
            yield f"{taken} imported, its {other.name} is not"
    if chosen.is_averaged:
        yield f"the file's {chosen.name} is imported: weights averaged over the training, of which it has no others"


def _about_strangers(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"read without running code; what else the file names was not loaded: {shortened(names)}"
