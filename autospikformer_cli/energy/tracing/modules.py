"""The modules that a call is in, and the weight operators that they call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from autospikformer_cli.energy.tracing.operators import Call
from autospikformer_cli.energy.tracing.origins import tensors_in
from autospikformer_cli.errors import UserError
from autospikformer_cli.spiking.layout import Kind

KNOWN_NEURON_CLASSES = {"BaseNode", "SimpleBaseNode", "SpikingNeuron"}
"""Base classes of the neurons of SpikingJelly and snnTorch."""
PASSED = ("Norm", "Identity", "Dropout")
"""Parts of the class names of modules that may stand between an operation and its neurons."""


@dataclass
class Use:
    """A call of a place, and what follows it.

    site: the lines of code that made the call, from the operator to the outermost module. norm: the BatchNorm that
    reads its output; "" for none. fires: whether neurons read its output.
    """

    call: Call
    site: tuple[object, ...]
    norm: str = ""
    fires: bool = False


@dataclass
class Place:
    """A weight operator in a module, with all its calls.

    weights: name of the parameter; "" for none. num_weights, zero_weights: number of its values, and of those that
    are 0.
    """

    module: str
    operator: str
    kind: Kind
    weights: str
    num_weights: int
    zero_weights: int
    uses: list[Use] = field(default_factory=list)


class ModuleStack:
    """The modules that contain the present call. It also sees which modules follow the last weight operator."""

    def __init__(self, root: nn.Module) -> None:
        self.root = root
        self._thread = threading.get_ident()
        self._open: list[tuple[str, tuple[int, ...]]] = []
        self._last: tuple[Use, int, int] | None = None

    @property
    def name(self) -> str:
        """Name of the innermost module."""
        return self._open[-1][0] if self._open else ""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Input shapes of the modules, innermost first."""
        return [shape for _, shape in reversed(self._open)]

    def label(self, name: str) -> str:
        """A module's name; for the outermost module, its class."""
        return name or type(self.root).__name__

    def executed(self, use: Use, steps: int) -> None:
        """Note a weight operator's call. A module may follow that repeats its output for each of `steps` steps."""
        self._last = (use, use.call.outputs, use.call.outputs * steps)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the modules' calls while the context is open."""
        with ExitStack() as hooks:
            for name, module in self.root.named_modules():
                if isinstance(module, torch.jit.ScriptModule):
                    continue
                before = module.register_forward_pre_hook(self._enter(name), with_kwargs=True)
                after = module.register_forward_hook(self._leave, always_call=True)
                hooks.callback(before.remove)
                hooks.callback(after.remove)
            yield

    def _enter(self, name: str) -> Any:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            if threading.get_ident() != self._thread:
                what = f"{name} runs in a thread of its own, where nothing can be counted"
                raise UserError(what, "aspk energy module", "call it in forward itself")
            inputs = list(tensors_in((args, kwargs)))
            self._open.append((name, tuple(inputs[0].shape) if inputs else ()))
            if self._last is not None and inputs:
                self._follows(name, module, inputs[0].numel())

        return enter

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._open.pop()

    def _follows(self, name: str, module: nn.Module, elements: int) -> None:
        """A BatchNorm, or neurons, that read as many elements as the last operator wrote follow that operator."""
        assert self._last is not None
        use, *outputs = self._last
        classes = {each.__name__ for each in type(module).__mro__}
        if classes & KNOWN_NEURON_CLASSES:
            use.fires |= elements in outputs
            self._last = None
        elif any("BatchNorm" in each for each in classes):
            use.norm = use.norm or (name if elements == outputs[0] else "")
        elif not any(module.children()) and not any(part in type(module).__name__ for part in PASSED):
            self._last = None
