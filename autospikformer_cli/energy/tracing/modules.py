"""Sees every call that a PyTorch module makes, and adds up its weight operators by the place that calls them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autospikformer_cli.energy.tracing.operators import Axes, Call, Windows, attend, convolve, is_free, weigh
from autospikformer_cli.errors import UserError
from autospikformer_cli.spiking.layout import Kind

ATTENTION_FUNCTIONS = {
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::mv": (0, 1),
    "aten::dot": (0, 1),
    "aten::vdot": (0, 1),
    "aten::addmm": (1, 2),
    "aten::addmv": (1, 2),
    "aten::baddbmm": (1, 2),
    "aten::addbmm": (1, 2),
    "aten::linear": (0, 1),
}
"""Which arguments are the factors."""
KNOWN_NEURON_CLASSES = {"BaseNode", "SimpleBaseNode", "SpikingNeuron"}
"""Base classes of the neurons of SpikingJelly and snnTorch."""
PASSED = ("Norm", "Identity", "Dropout")
"""In the names of modules that may stand between an operation and its neurons."""


@dataclass
class Place:
    """A weight operator in a module, with all its calls. weights: the name of the parameter, "" for none."""

    module: str
    operator: str
    kind: Kind
    weights: str
    num_weights: int
    calls: list[Call] = field(default_factory=list)
    norm: str = ""
    fires: bool = False


class _Origin(NamedTuple):
    """Where a storage's values come from: parameters (their first's name) or buffers alone ("")."""

    storage: StorageWeakRef
    parameter: str


COPIES = {"aten::clone", "aten::_to_copy"}
"""Operators whose result holds the values of what they read; views share its memory."""


class Memories:
    """Tensors in the memory of those that were added, while that lives, and copies of them."""

    def __init__(self) -> None:
        self._storages: dict[int, StorageWeakRef] = {}

    def add(self, tensor: Tensor) -> None:
        """Remember a tensor's memory."""
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = StorageWeakRef(storage)

    def __contains__(self, tensor: Tensor) -> bool:
        known = self._storages.get(tensor.untyped_storage()._cdata)
        return known is not None and not known.expired()

    def follow(self, operator: torch._ops.OpOverload, read: Sequence[Tensor], written: Any) -> None:
        """What an operator writes is a copy where it only copies."""
        if operator._schema.name in COPIES and read and read[0] in self:
            self.add(written)


class Weights:
    """Which tensors are weights: those in the memory of a parameter or buffer, or computed from such alone."""

    def __init__(self, module: nn.Module) -> None:
        self._origins: dict[int, _Origin] = {}
        for tensors, learned in ((module.named_parameters(), True), (module.named_buffers(), False)):
            for name, tensor in tensors:
                self._add(tensor, name if learned else "")

    def origin(self, tensor: Tensor) -> str | None:
        """The parameter that a tensor's values come from, "" for buffers, None for an activation."""
        if tensor.layout != torch.strided:
            return None
        origin = self._origins.get(tensor.untyped_storage()._cdata)
        return None if origin is None or origin.storage.expired() else origin.parameter

    def follow(self, operator: torch._ops.OpOverload, read: Sequence[Tensor], written: Any) -> None:
        """What an operator writes is weights if all that it reads is."""
        origins = [self.origin(tensor) for tensor in read]
        if None in origins:
            if operator._schema.is_mutable:
                self._forget(written)
            return
        for tensor in _tensors(written) if origins else ():
            if self.origin(tensor) is None:
                self._add(tensor, next(filter(None, origins), ""))

    def _add(self, tensor: Tensor, parameter: str) -> None:
        if tensor.layout == torch.strided:
            storage = StorageWeakRef(tensor.untyped_storage())
            self._origins.setdefault(storage.cdata, _Origin(storage, parameter))
            if self._origins[storage.cdata].storage.expired():
                self._origins[storage.cdata] = _Origin(storage, parameter)

    def _forget(self, written: Any) -> None:
        for tensor in _tensors(written):
            if tensor.layout == torch.strided:
                self._origins.pop(tensor.untyped_storage()._cdata, None)


class ModuleStack:
    """The modules that the present call is in, and what follows the last weight operator."""

    def __init__(self, root: nn.Module) -> None:
        self.root = root
        self._thread = threading.get_ident()
        self._open: list[tuple[str, tuple[int, ...]]] = []
        self._last: tuple[Place, int, int] | None = None

    @property
    def name(self) -> str:
        """The innermost module's."""
        return self._open[-1][0] if self._open else ""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the modules' inputs, the innermost first."""
        return [shape for _, shape in reversed(self._open)]

    def label(self, name: str) -> str:
        """A module's name; of the outermost, its class."""
        return name or type(self.root).__name__

    def executed(self, place: Place, outputs: int, steps: int) -> None:
        """A weight operator wrote so many outputs; a module that repeats them for every time step may follow."""
        self._last = (place, outputs, outputs * steps)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the modules' calls."""
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
            inputs = list(_tensors((args, kwargs)))
            self._open.append((name, tuple(inputs[0].shape) if inputs else ()))
            if self._last is not None and inputs:
                self._follows(name, module, inputs[0].numel())

        return enter

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._open.pop()

    def _follows(self, name: str, module: nn.Module, elements: int) -> None:
        """A BatchNorm or neurons that read as many elements as the last operator wrote stand behind it."""
        assert self._last is not None
        place, *outputs = self._last
        classes = {each.__name__ for each in type(module).__mro__}
        if classes & KNOWN_NEURON_CLASSES:
            place.fires |= elements in outputs
            self._last = None
        elif any("BatchNorm" in each for each in classes):
            place.norm = place.norm or (name if elements == outputs[0] else "")
        elif not any(module.children()) and not any(part in type(module).__name__ for part in PASSED):
            self._last = None


class Tracer(TorchDispatchMode):
    """Counts the weight operators of a module, and lists all others: (operator, module) -> calls, elements written."""

    def __init__(self, module: nn.Module, axes: Axes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.axes = axes
        self.products = Memories()
        self.stack = ModuleStack(module)
        self.weights = Weights(module)
        self.places: dict[tuple[Any, ...], Place] = {}
        self.free: dict[tuple[str, str], list[int]] = {}
        self.unattributed: dict[tuple[str, str], list[int]] = {}
        self._around = ExitStack()

    def __enter__(self) -> Tracer:
        """Attention is computed from its products and softmax meanwhile, where torch would take a fused kernel."""
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._around.callback(torch.backends.mha.set_fastpath_enabled, fast)
        self._around.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._around.enter_context(self.stack.watched())
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._around.close()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Execute one operator, and count it."""
        read = list(_tensors((args, kwargs)))
        result = func(*args, **kwargs or {})
        if not (self._counts(func, read) and self._count(func, args, result)):
            free = is_free(func) and not self._multiplies_weights(func, read, result)
            listed = self.free if free else self.unattributed
            number = listed.setdefault(
                (func._schema.name.replace("::", "."), self.stack.label(self.stack.name)), [0, 0]
            )
            number[0] += 1
            number[1] += sum(tensor.numel() for tensor in _tensors(result))
        self.weights.follow(func, read, result)
        if all(tensor.layout == torch.strided for tensor in read):
            self.products.follow(func, read, result)
        return result

    def _multiplies_weights(self, operator: torch._ops.OpOverload, read: list[Tensor], result: Any) -> bool:
        """Whether an elementwise product spreads weights and activations over more elements than either has."""
        if operator._schema.name != "aten::mul" or len(read) != 2:
            return False
        weights = [bool(self.weights.origin(tensor)) for tensor in read]
        return weights[0] != weights[1] and result.numel() > max(tensor.numel() for tensor in read)

    @staticmethod
    def _counts(operator: torch._ops.OpOverload, read: list[Tensor]) -> bool:
        known = operator._schema.name == "aten::convolution" or operator._schema.name in ATTENTION_FUNCTIONS
        return known and all(x.layout == torch.strided and not x.is_complex() for x in read)

    def _count(self, operator: torch._ops.OpOverload, args: tuple[Any, ...], result: Tensor) -> bool:
        if operator._schema.name == "aten::convolution":
            return self._convolution(args, result)
        first, second = (args[index] for index in ATTENTION_FUNCTIONS[operator._schema.name])
        if operator._schema.name == "aten::linear":
            first, second = first.reshape(-1, first.shape[-1]), second.mT
        return self._product(operator._schema.name, first, second, result)

    def _convolution(self, args: tuple[Any, ...], result: Tensor) -> bool:
        x, weight, _, stride, padding, dilation, transposed, _, groups = args
        parameter = self.weights.origin(weight)
        if x.ndim != weight.ndim or (self.weights.origin(x) and not parameter):
            return False
        dims = weight.ndim - 2
        strides, paddings, dilations = (tuple(each) * (dims // len(each)) for each in (stride, padding, dilation))
        windows = Windows(strides, paddings, dilations, transposed)
        order = self.axes.order(x.shape[0], self.stack.shapes)
        call = convolve(x, weight, result, windows, groups, order, self.axes)
        self._add("convolution", "convolution", parameter or "", weight.numel(), call)
        return True

    def _product(self, operator: str, first: Tensor, second: Tensor, result: Tensor) -> bool:
        origins = self.weights.origin(first), self.weights.origin(second)
        a_BMK = first.reshape(1, -1, first.shape[-1]) if first.ndim < 3 else first
        b_BKN = second.reshape(1, len(second), -1) if second.ndim < 3 else second
        name = operator.removeprefix("aten::")
        if origins == (None, None):
            order = self.axes.order(a_BMK.shape[0], self.stack.shapes)
            sizes = (*a_BMK.shape[1:], b_BKN.shape[2])  # one call of torch's own attention is two products
            call = attend(a_BMK, b_BKN, order, self.axes)
            made = (first in self.products, second in self.products)
            operands = tuple(replace(each, product=own) for each, own in zip(call.operands, made, strict=True))
            self._add("attention", name, "", 0, replace(call, operands=operands), sizes)
            self.products.add(result)
            return True
        if None not in origins and bool(origins[0]) == bool(origins[1]):
            return False  # weights alone: no input tells what it does for an image
        stored_first = origins[1] is None or bool(origins[0])
        x, outputs = (b_BKN.mT, a_BMK.shape[1]) if stored_first else (a_BMK, b_BKN.shape[2])
        x_MK = x.reshape(-1, x.shape[-1])
        call = weigh(x_MK, outputs, self.axes.order(len(x_MK), self.stack.shapes), self.axes)
        parameter, weight = (origins[0], first) if stored_first else (origins[1], second)
        self._add("linear", name, parameter or "", weight.numel(), call)
        return True

    def _add(
        self, kind: Kind, operator: str, parameter: str, num_weights: int, call: Call, sizes: tuple[int, ...] = ()
    ) -> None:
        module = self.stack.name
        key = (module, kind, operator, parameter, sizes, _call_site())
        place = self.places.setdefault(key, Place(module, operator, kind, parameter, num_weights))
        place.calls.append(call)
        self.stack.executed(place, call.outputs, self.axes.steps)


def _tensors(values: Any) -> Iterator[Tensor]:
    return (value for value in tree_leaves(values) if isinstance(value, Tensor))


def _call_site() -> tuple[object, ...]:
    """Where in the innermost module's code the operator is called: each product of a line has a place of its own."""
    site: list[object] = []
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code is not nn.Module._call_impl.__code__:
        site += (frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return tuple(site)
