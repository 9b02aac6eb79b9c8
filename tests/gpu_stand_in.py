"""A stand-in for a GPU: a private device of torch, whose tensors' numbers lie in the host's memory.

    stand_in = StandIn()
    with stand_in:
        network.to(stand_in_device())(images.to(stand_in_device()))
    assert not stand_in.reads

The package asks whether a device is "cpu", so what runs here runs the path of a GPU. An operation of tensors of two
devices raises, as on a GPU. What makes the host wait for the device is counted, with the line of the package.

It says nothing of kernels, of speed, of memory, or of the last bits of a GPU.
"""

from __future__ import annotations

import traceback
from collections import Counter
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend
from torch.utils.weak import WeakIdKeyDictionary

aten = torch.ops.aten
NAME = "standin"
PACKAGE = "autospikformer_cli/"
WAITING = {
    aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.bincount, aten._unique2, aten.unique_dim,
    aten.unique_consecutive, aten.equal,
}  # fmt: skip
"""Operators of which a GPU makes the host wait: the size of what they return, or its value, is the host's to know."""
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
COPIES = {aten._to_copy, aten.copy_}


class Backend(_DummyBackendModule):
    """What torch asks of the device's module, next to what its dummy answers."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """For `torch.utils.checkpoint`, which looks whether autocast is on."""
        return [torch.bfloat16, torch.float16]


@cache
def stand_in_device() -> torch.device:
    """The device. torch knows it from the first call on, for the rest of the process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
    return torch.device(NAME, 0)


class DeviceTensor(torch.Tensor):
    """A tensor of the stand-in. numbers: the same, of the host."""

    numbers: torch.Tensor

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> DeviceTensor:
        """Of the same shape, strides and dtype."""
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined,no-any-return]
            cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, device=stand_in_device(),
        )  # fmt: skip

    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"DeviceTensor({self.numbers})"

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """For torch, which moves parameters of such classes as wholes."""
        return ["numbers"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, torch.Tensor], *_: Any) -> DeviceTensor:
        """As above."""
        return DeviceTensor(inner["numbers"])

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Only within `StandIn`."""
        raise RuntimeError(f"{function} of the stand-in, outside of it")


class StandIn(TorchDispatchMode):
    """Within it, the device is there. By line of the package it counts what makes the host wait, and what does not.

    reads: numbers of the device that the host waits for. fetches: copies to the host that it does not wait for.
    uploads: copies to the device that need not wait. stalls: copies to the device that wait, or out of memory that
    is not pinned: a GPU finishes all that it was given before the host goes on. operations: all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        stand_in_device()
        self.reads, self.fetches, self.uploads, self.stalls = (Counter[str]() for _ in range(4))
        self.operations = 0
        self._lifting = False
        self._pinned = WeakIdKeyDictionary()

    def __enter__(self) -> StandIn:
        self._lifting = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) copies where it is seen
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        torch._C._set_only_lift_cpu_tensors(self._lifting)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute on the host, and give what it belongs to: the device, or the host."""
        kwargs, packet = kwargs or {}, function.overloadpacket
        if packet is aten.is_pinned:
            return args[0] in self._pinned
        if packet is aten._pin_memory:
            pinned = args[0].clone()
            self._pinned[pinned] = True
            return pinned
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        on_device = [each for each in tensors if isinstance(each, DeviceTensor)]
        asked = kwargs.get("device")
        stays = bool(on_device) if asked is None else torch.device(asked).type == NAME
        if on_device or stays:
            self.operations += 1
            self._count(function, args, kwargs, on_device, stays)
        if on_device and packet not in COPIES:
            _require_one_device(function, tensors)
        inner_args, inner_kwargs = tree_map(_numbers, (args, kwargs))
        if asked is not None:
            inner_kwargs["device"] = torch.device("cpu")
        made = function(*inner_args, **inner_kwargs)
        if packet is aten.copy_:  # it returns what was written to
            return args[0]
        if not stays:
            return made
        made = tree_map(lambda each: DeviceTensor(each) if isinstance(each, torch.Tensor) else each, made)
        return return_and_correct_aliasing(function, args, kwargs, made) if on_device else made

    def _count(self, function: Any, args: Any, kwargs: Any, on_device: list[torch.Tensor], stays: bool) -> None:
        packet = function.overloadpacket
        if packet in COPIES:
            source = args[1] if packet is aten.copy_ else args[0]
            to_device = isinstance(args[0], DeviceTensor) if packet is aten.copy_ else stays
            waits = not (args[2] if packet is aten.copy_ and len(args) > 2 else kwargs.get("non_blocking", False))
            if isinstance(source, DeviceTensor) and not to_device:
                (self.reads if waits else self.fetches)[_place()] += 1
            elif not isinstance(source, DeviceTensor) and to_device and (source.dim() or packet is aten._to_copy):
                (self.uploads if source in self._pinned and not waits else self.stalls)[_place()] += 1
        elif packet in WAITING or (packet in INDEXING and _has_mask(args[1])):
            self.reads[_place()] += bool(on_device)


def _has_mask(indices: Any) -> bool:
    return any(isinstance(each, torch.Tensor) and each.dtype in (torch.bool, torch.uint8) for each in indices)


def _numbers(each: Any) -> Any:
    return each.numbers if isinstance(each, DeviceTensor) else each


def _require_one_device(function: Any, tensors: list[torch.Tensor]) -> None:
    """A tensor of no dimension may come from the host, as on a GPU. An index of the host is a copy that waits."""
    strangers = [each for each in tensors if not isinstance(each, DeviceTensor) and each.dim()]
    if strangers:
        shapes = ", ".join(str(tuple(each.shape)) for each in strangers)
        raise RuntimeError(f"{function}: expected all tensors to be on {NAME}, but the host has {shapes}")


def _place() -> str:
    """The innermost line of the package that is running, or of this test."""
    frames = [frame for frame in traceback.extract_stack() if __file__ != frame.filename]
    ours = [frame for frame in frames if PACKAGE in frame.filename]
    if not ours:
        ours = [frame for frame in frames if "/torch/" not in frame.filename]
    frame = ours[-1]
    return f"{frame.filename.rpartition(PACKAGE)[2]}:{frame.lineno}: {frame.line}"
