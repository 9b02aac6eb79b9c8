"""Sees every operator that a PyTorch module executes, and adds up its weight operators by the place that calls them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autospikformer_cli.energy.tracing.modules import ModuleStack, Place, Use
from autospikformer_cli.energy.tracing.operators import Axes, Call, Windows, attend, convolve, is_free, weigh
from autospikformer_cli.energy.tracing.origins import Memories, Weights, tensors_in
from autospikformer_cli.spiking.layout import Kind

ATTENTION_FUNCTIONS = {
    "mm": (0, 1),
    "bmm": (0, 1),
    "mv": (0, 1),
    "dot": (0, 1),
    "vdot": (0, 1),
    "addmm": (1, 2),
    "addmv": (1, 2),
    "baddbmm": (1, 2),
    "addbmm": (1, 2),
}
"""Operator -> the positions of its two factors among its arguments."""


class _PlainRecurrence(TorchFunctionMode):
    """Lets torch compute an LSTM by its matrix products, not by a fused kernel of MKL-DNN."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch."""
        if func is not torch.lstm:
            return func(*args, **kwargs or {})
        before, *_ = torch.backends.mkldnn.set_flags(_enabled=False, _fp32_precision=None)
        try:
            return func(*args, **kwargs or {})
        finally:
            torch.backends.mkldnn.set_flags(_enabled=before, _fp32_precision=None)


class Tracer(TorchDispatchMode):
    """Counts a module's weight operators, and lists the others: (operator, module) -> calls, elements written."""

    supports_higher_order_operators = True

    def __init__(self, module: nn.Module, frames: Tensor, axes: Axes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.axes = axes
        self.products = Memories()
        self.data = Memories()
        self.data.add(frames)
        self.stack = ModuleStack(module)
        self.weights = Weights(module)
        self.places: dict[tuple[Any, ...], Place] = {}
        self.free: dict[tuple[str, str], list[int]] = {}
        self.unattributed: dict[tuple[str, str], list[int]] = {}
        self._sites: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._around = ExitStack()

    def __enter__(self) -> Tracer:
        """Start counting. Meanwhile torch computes attention and LSTMs by their products, not by fused kernels."""
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._around.callback(torch.backends.mha.set_fastpath_enabled, fast)
        self._around.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._around.enter_context(_PlainRecurrence())
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
        """Execute one operator, and count it. One that is made of others is executed and counted as these."""
        if isinstance(func, HigherOrderOperator):
            return self._uncounted(func, args, kwargs or {})
        with self._inside():
            result = func.decompose(*args, **kwargs or {})
        if result is not NotImplemented:
            return result
        read = list(tensors_in((args, kwargs)))
        result = func(*args, **kwargs or {})
        if not (self._counts(func, read) and self._count(func, args, result)):
            free = self.weights.only(read) or (is_free(func) and not self._spreads(func, read, result))
            self._list(self.free if free else self.unattributed, func._schema.name.replace("::", "."), result)
        self.weights.follow(func, read, result)
        if all(tensor.layout == torch.strided for tensor in read):
            self.products.follow(func, read, result)
        self._follow_data(read, result)
        return result

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Count the operators that an operator is made of. While torch executes one, it leaves this mode."""
        super().__enter__()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            super().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _uncounted(self, operator: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Execute an operator that calls functions, such as torch.cond. What they do is not seen."""
        result = operator(*args, **kwargs)
        self._list(self.unattributed, operator.name(), result)
        self._follow_data(list(tensors_in((args, kwargs))), result)
        return result

    def _list(self, listed: dict[tuple[str, str], list[int]], operator: str, result: Any) -> None:
        number = listed.setdefault((operator, self.stack.label(self.stack.name)), [0, 0])
        number[0] += 1
        number[1] += sum(tensor.numel() for tensor in tensors_in(result))

    def _follow_data(self, read: list[Tensor], written: Any) -> None:
        """Note that what an operator wrote depends on the images."""
        if any(tensor.layout == torch.strided and tensor in self.data for tensor in read):
            for tensor in tensors_in(written):
                if tensor.layout == torch.strided:
                    self.data.add(tensor)

    def _spreads(self, operator: torch._ops.OpOverload, read: list[Tensor], result: Any) -> bool:
        """Whether an elementwise product with activations has more elements than either factor.

        Then it may be a matrix product, which a sum completes. Both factors are activations, or one is weights.
        """
        if operator._schema.name != "aten::mul" or len(read) != 2:
            return False
        weights = [bool(self.weights.origin(tensor)) for tensor in read]
        alike = all(tensor in self.data for tensor in read)
        return (alike or weights[0] != weights[1]) and result.numel() > max(tensor.numel() for tensor in read)

    @staticmethod
    def _counts(operator: torch._ops.OpOverload, read: list[Tensor]) -> bool:
        known = operator._schema.name == "aten::convolution" or _product_name(operator) in ATTENTION_FUNCTIONS
        return known and all(x.layout == torch.strided and not x.is_complex() for x in read)

    def _count(self, operator: torch._ops.OpOverload, args: tuple[Any, ...], result: Tensor) -> bool:
        if operator._schema.name == "aten::convolution":
            return self._convolution(args, result)
        name = _product_name(operator)
        first, second = (args[index] for index in ATTENTION_FUNCTIONS[name])
        return self._product(name, first, second, result)

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
        self._add("convolution", "convolution", parameter or "", weight, call)
        return True

    def _product(self, operator: str, first: Tensor, second: Tensor, result: Tensor) -> bool:
        origins = self.weights.origin(first), self.weights.origin(second)
        a_BMK = first.reshape(1, -1, first.shape[-1]) if first.ndim < 3 else first
        b_BKN = second.reshape(1, len(second), -1) if second.ndim < 3 else second
        if origins == (None, None):
            order = self.axes.order(a_BMK.shape[0], self.stack.shapes)
            sizes = (*a_BMK.shape[1:], b_BKN.shape[2])  # torch's own attention makes two products at one call site
            call = attend(a_BMK, b_BKN, order, self.axes)
            made = (first in self.products, second in self.products)
            operands = tuple(replace(each, product=own) for each, own in zip(call.operands, made, strict=True))
            self._add("attention", operator, "", None, replace(call, operands=operands), sizes)
            self.products.add(result)
            return True
        if None not in origins and bool(origins[0]) == bool(origins[1]):
            return False  # a product of weights: it does not depend on an image
        stored_first = origins[1] is None or bool(origins[0])
        x, outputs = (b_BKN.mT, a_BMK.shape[1]) if stored_first else (a_BMK, b_BKN.shape[2])
        x_MK = x.reshape(-1, x.shape[-1])
        call = weigh(x_MK, outputs, self.axes.order(len(x_MK), self.stack.shapes), self.axes)
        parameter, weight = (origins[0], first) if stored_first else (origins[1], second)
        self._add("linear", operator, parameter or "", weight, call)
        return True

    def _add(
        self, kind: Kind, operator: str, parameter: str, weight: Tensor | None, call: Call, sizes: tuple[int, ...] = ()
    ) -> None:
        inner, outer = _call_sites()
        key = (self.stack.name, kind, operator, parameter, sizes, inner)
        if key not in self.places:
            numbers = (0, 0) if weight is None else (weight.numel(), weight.numel() - int(weight.count_nonzero()))
            self.places[key] = Place(self.stack.name, operator, kind, parameter, *numbers)
        use = Use(call, self._sites.setdefault(outer, outer))
        self.places[key].uses.append(use)
        self.stack.executed(use, self.axes.steps)


def _product_name(operator: torch._ops.OpOverload) -> str:
    """The name of a matrix product; in place, it is the same product."""
    return operator._schema.name.removeprefix("aten::").removesuffix("_")


def _call_sites() -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Where the operator is called: in the innermost module's code, and in all code.

    So two products in one line are two places, and two uses of a shared layer can be told apart.
    """
    site: list[object] = []
    inner: int | None = None
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if inner is None and frame.f_code is nn.Module._call_impl.__code__:
            inner = len(site)
        site += (frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return tuple(site[:inner]), tuple(site)
