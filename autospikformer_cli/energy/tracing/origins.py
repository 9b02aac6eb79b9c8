"""Where a tensor's values come from: parameters and buffers, or a product of two activations."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves


class _Origin(NamedTuple):
    """The origin of a storage's values. parameter: name of its first parameter; "" if it has only buffers."""

    storage: StorageWeakRef
    parameter: str


COPIES = {"aten::clone", "aten::_to_copy"}
"""Operators whose result has the values of what they read. Views need no entry: they share its memory."""


class Memories:
    """A set of tensors, which contains the tensors that share their memory, and copies of them, while they live."""

    def __init__(self) -> None:
        self._storages: dict[int, StorageWeakRef] = {}

    def add(self, tensor: Tensor) -> None:
        """Add a tensor, by its memory."""
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = StorageWeakRef(storage)

    def __contains__(self, tensor: Tensor) -> bool:
        known = self._storages.get(tensor.untyped_storage()._cdata)
        return known is not None and not known.expired()

    def follow(self, operator: torch._ops.OpOverload, read: Sequence[Tensor], written: Any) -> None:
        """Add what an operator wrote, if it copies a tensor of the set."""
        if operator._schema.name in COPIES and read and read[0] in self:
            self.add(written)


class Weights:
    """Knows which tensors are weights: those in the memory of a parameter or buffer, or computed only from such."""

    def __init__(self, module: nn.Module) -> None:
        self._origins: dict[int, _Origin] = {}
        parameters = dict(module.named_parameters())
        for name, parameter in parameters.items():
            self._add(parameter, name)
        for name, buffer in module.named_buffers():
            self._add(buffer, _served_parameter(name, parameters))

    def only(self, tensors: Sequence[Tensor]) -> bool:
        """Whether an operator reads parameters, and else at most buffers. Such work is done once for all images."""
        origins = [self.origin(tensor) for tensor in tensors]
        return None not in origins and any(origins)

    def origin(self, tensor: Tensor) -> str | None:
        """The parameter that a tensor's values come from; "" for buffers, None for an activation."""
        if tensor.layout != torch.strided:
            return None
        origin = self._origins.get(tensor.untyped_storage()._cdata)
        return None if origin is None or origin.storage.expired() else origin.parameter

    def follow(self, operator: torch._ops.OpOverload, read: Sequence[Tensor], written: Any) -> None:
        """Note what an operator wrote: it is weights if everything that the operator read is."""
        origins = [self.origin(tensor) for tensor in read]
        if None in origins:
            if operator._schema.is_mutable:
                self._forget(written)
            return
        for tensor in tensors_in(written) if origins else ():
            if self.origin(tensor) is None:
                self._add(tensor, next(filter(None, origins), ""))

    def _add(self, tensor: Tensor, parameter: str) -> None:
        if tensor.layout == torch.strided:
            storage = StorageWeakRef(tensor.untyped_storage())
            self._origins.setdefault(storage.cdata, _Origin(storage, parameter))
            if self._origins[storage.cdata].storage.expired():
                self._origins[storage.cdata] = _Origin(storage, parameter)

    def _forget(self, written: Any) -> None:
        for tensor in tensors_in(written):
            if tensor.layout == torch.strided:
                self._origins.pop(tensor.untyped_storage()._cdata, None)


def _served_parameter(buffer: str, parameters: Mapping[str, Tensor]) -> str:
    """The parameter that a buffer serves: a pruning mask, or a vector of spectral normalisation; "" for none."""
    owner, parametrized, rest = buffer.partition(".parametrizations.")
    if parametrized:
        start = f"{owner}{parametrized}{rest.partition('.')[0]}.original"
        return next((name for name in parameters if name.startswith(start)), "")
    base = buffer.removesuffix("_mask").removesuffix("_u").removesuffix("_v")
    return f"{base}_orig" if f"{base}_orig" in parameters else ""


def plain_name(parameter: str, parameters: Container[str]) -> str:
    """A parameter's name before its module was pruned, normalised or parametrized.

    >>> plain_name("fc.weight_orig", {"fc.weight_orig"}), plain_name("fc.parametrizations.weight.original0", set())
    ('fc.weight', 'fc.weight')
    """
    owner, parametrized, rest = parameter.partition(".parametrizations.")
    if parametrized:
        return f"{owner}.{rest.partition('.')[0]}"
    base = re.sub("_(g|v)$", "", parameter)
    if f"{base}_g" in parameters and f"{base}_v" in parameters:
        return base
    return parameter.removesuffix("_orig")


def tensors_in(values: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    return (value for value in tree_leaves(values) if isinstance(value, Tensor))
