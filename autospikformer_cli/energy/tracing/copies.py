"""Copies of a user's module, also if it holds tensors that autograd computed, as pruned and normalised layers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from autospikformer_cli.energy.tracing.loading import OPTION, told
from autospikformer_cli.errors import UserError


class _CopiesComputed(TorchFunctionMode):
    """Lets deepcopy take tensors that are no leaves of autograd's graph. The copy has their values alone."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Copy a computed tensor's values once; leave all else to torch."""
        if func is not Tensor.__deepcopy__ or args[0].is_leaf:
            return func(*args, **kwargs or {})
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = tensor.detach().clone()
        return memo[id(tensor)]


def copied(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode. Raises UserError if something that the module holds cannot be copied."""
    try:
        network: nn.Module = _copy(module)
        return network.eval()
    except Exception as error:
        what = f"{type(module).__name__} cannot be copied: {told(error)}"
        held = next(_not_copied(module), None)
        fix = "make it in forward, or give its class a __deepcopy__"
        raise UserError(what if held is None else f"{what}, of {held}", OPTION, fix) from error


def _copy(value: Any) -> Any:
    with _CopiesComputed(), torch.no_grad():
        return deepcopy(value)


def _not_copied(module: nn.Module) -> Iterator[str]:
    """Names of the values that cannot be copied."""
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if name == "_modules":
                continue
            try:
                _copy(value)
            except Exception:
                yield f"{prefix}.{name}".removeprefix(".")
