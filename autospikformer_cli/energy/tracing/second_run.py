"""Whether a module starts anew at every call: it runs twice on the same input, and both runs are compared."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autospikformer_cli.energy.traced import SecondRun, TracedNetwork
from autospikformer_cli.energy.tracing.origins import tensors_in
from autospikformer_cli.errors import UserError

DEPTH = 4
"""How deep values of a module are looked for in its lists and dicts."""
HOOKS = "_hooks"
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

Ran = tuple[TracedNetwork, list[Tensor]]
"""What a run did, and its outputs."""


def second_run(
    network: nn.Module, first: Ran, run: Callable[[nn.Module], Ran], new: Callable[[], nn.Module]
) -> SecondRun:
    """Compare a second run of a network with its first one.

    network: as its first run left it. run: runs a network from the same seed. new: makes a copy of the network as it
    was before its first run.
    """
    error, second = "", None
    try:
        second = run(network)
    except UserError as failed:
        error = failed.what
    if second is not None and _alike(first, second):
        return SecondRun("same")
    fresh = new()
    before, after = dict(_values(fresh)), dict(_values(network))
    changed = [name for name, value in after.items() if before.get(name) != value]
    own = any(isinstance(value, _Generator) for value in (after[name] for name in changed))
    random_numbers = own or not _alike(first, run(fresh))
    counted = second[0] if second is not None and _counts(second[0]) != _counts(first[0]) else None
    return SecondRun("random" if random_numbers else "different", tuple(changed), error, counted)


def _alike(first: Ran, second: Ran) -> bool:
    """Whether two runs have equal counts, and outputs that are equal but for rounding."""
    (counts, outputs), (others, repeated) = first, second
    return _counts(counts) == _counts(others) and len(outputs) == len(repeated) and all(map(_close, outputs, repeated))


def _counts(traced: TracedNetwork) -> tuple[object, ...]:
    """What is counted. Operators that cost nothing may differ: a first run may make tensors of zeros."""
    return traced.operations, traced.counts, traced.step_rates, traced.unattributed


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    return torch.allclose(one, other, equal_nan=True) if one.is_floating_point() else torch.equal(one, other)


class _Generator(str):
    """The state of a generator of random numbers."""


def _values(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of all values that a module holds, and fingerprints of them."""
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key != "_modules" and not key.endswith(HOOKS):
                inner = "" if key in ("_parameters", "_buffers", "_memories") else key
                yield from _fingerprints(value, f"{name}.{inner}".strip("."), DEPTH)


def _fingerprints(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, Tensor):
        yield name, _fingerprint(value)
    elif isinstance(value, GENERATORS):
        yield name, _Generator(_generator_state(value))
    elif value is None or isinstance(value, bool | int | float | complex | str | np.ndarray | np.generic):
        yield name, repr(value)
    elif isinstance(value, Mapping) and depth:
        for key, each in value.items():
            yield from _fingerprints(each, f"{name}.{key}".strip("."), depth - 1)
    elif isinstance(value, Sequence | set | frozenset) and depth:
        for index, each in enumerate(value):
            yield from _fingerprints(each, f"{name}.{index}".strip("."), depth - 1)


def _fingerprint(tensor: Tensor) -> str:
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.blake2b(data).hexdigest()}"


def _generator_state(generator: Any) -> str:
    if isinstance(generator, torch.Generator):
        return _fingerprint(generator.get_state())
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return repr(generator.get_state(legacy=False))
    return repr(generator.bit_generator.state)


def outputs_of(result: Any) -> list[Tensor]:
    """Copies of all tensors that a module returned."""
    return [tensor.detach().clone() for tensor in tensors_in(result)]
