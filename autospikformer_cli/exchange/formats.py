"""File formats of an exported subnet. Each is written and read by its own library.

Dimension legend: B images.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from autospikformer_cli.spiking.extraction import ExtractedSubnet

Predict = Callable[["Tensor"], "Tensor"]
"""From a network's inputs to its logits (B, classes)."""

OPSET = 18
"""Version of ONNX's operators, the one that torch's exporter writes without conversion."""
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INPUT_NAME, OUTPUT_NAME = "x", "logits"


class Format(Protocol):
    """A file format. runtime: the name of the library that reads it."""

    runtime: str

    def require(self, precision: str) -> None:
        """Raises UserError if this format cannot be written or read here."""
        ...

    def write(self, network: ExtractedSubnet, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the network. example: an input of two images, with any values."""
        ...

    def read(self, network: ExtractedSubnet, path: Path, threads: int) -> Predict:
        """The file, loaded by its runtime. Raises UserError if its weights are not the network's."""
        ...


class SafetensorsFile:
    """Weights under Spikformer's names, without a program. This package runs them."""

    runtime = "safetensors"

    def require(self, precision: str) -> None:
        """This format is always possible."""

    def write(self, network: ExtractedSubnet, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the tensors of `published_state`."""
        from safetensors.torch import save

        from autospikformer_cli.spiking.extraction import published_state

        tensors = {name: tensor.contiguous() for name, tensor in published_state(network).items()}
        path.write_bytes(save(tensors, dict(metadata)))

    def read(self, network: ExtractedSubnet, path: Path, threads: int) -> Predict:
        """A copy of the network with the file's tensors, which must equal its own to the last bit."""
        from safetensors.torch import load_file

        from autospikformer_cli.spiking.extraction import published_state
        from autospikformer_cli.spiking.published import translate

        tensors, expected = load_file(path), published_state(network)
        wrong = [name for name in {**tensors, **expected} if not _same_bits(tensors.get(name), expected.get(name))]
        if wrong:
            raise UserError(f"not the network's tensor: {wrong[0]}", str(path))
        entries = translate({name: tuple(tensor.shape) for name, tensor in tensors.items()}).entries
        copy = deepcopy(network)
        copy.load_state_dict({name: tensors[entry.source].reshape(entry.shape) for name, entry in entries.items()})
        return copy


class ProgramFile:
    """A program of torch.export, for any number of images."""

    runtime = "torch.export"

    def require(self, precision: str) -> None:
        """This format is always possible."""

    def write(self, network: ExtractedSubnet, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Write weights, graph and metadata. Each text of the metadata is an extra file of the archive."""
        import torch

        archive = io.BytesIO()  # with a path, torch would name the archive's folder after the file
        torch.export.save(_exported_program(network, example), archive, extra_files=dict(metadata))
        path.write_bytes(archive.getbuffer())

    def read(self, network: ExtractedSubnet, path: Path, threads: int) -> Predict:
        """The program, which torch runs."""
        import torch

        return torch.export.load(path).module()


class OnnxFile:
    """An ONNX model with operators of OPSET, for any number of images."""

    runtime = "ONNX Runtime"

    def require(self, precision: str) -> None:
        """Raises UserError if its packages are missing, and for float64, in which ONNX Runtime cannot convolve."""
        missing = [package for package in ONNX_PACKAGES if find_spec(package) is None]
        if missing:
            what = f"an .onnx file needs {', '.join(missing)}, which {'are' if missing[1:] else 'is'} not installed"
            raise UserError(what, "--to", 'pip install "autospikformer-cli[onnx]"')
        if precision != "float32":
            raise UserError(
                "ONNX Runtime has no float64 convolution", f"--precision {precision}", "leave it out, or write a .pt2"
            )

    def write(self, network: ExtractedSubnet, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Write one file with the weights in it. The metadata are the model's properties."""
        import torch

        program = _exported_program(network, example)
        with _without_warnings_of_the_exporter():
            model = torch.onnx.export(
                program,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        assert model is not None
        for node in model.model.graph.all_nodes():
            node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)  # paths of this machine
        model.model.metadata_props.update(metadata)
        model.save(path, external_data=False)

    def read(self, network: ExtractedSubnet, path: Path, threads: int) -> Predict:
        """A session of ONNX Runtime on the CPU."""
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda x: torch.from_numpy(session.run([OUTPUT_NAME], {INPUT_NAME: x.numpy()})[0])


FORMATS: dict[str, Format] = {".safetensors": SafetensorsFile(), ".pt2": ProgramFile(), ".onnx": OnnxFile()}
"""A file's suffix -> its format."""


def format_of(path: Path) -> Format:
    """The format of a file's suffix. Raises UserError for an unknown suffix."""
    found = FORMATS.get(path.suffix)
    if found is None:
        suffix = f"the suffix {path.suffix}" if path.suffix else "no suffix"
        raise UserError(f"{path.name!r} has {suffix}", "--to", f"end it in {', '.join(FORMATS)}: it says the format")
    return found


def _exported_program(network: ExtractedSubnet, example: Tensor) -> torch.export.ExportedProgram:
    import torch

    from autospikformer_cli.exchange.tracing import TracedSubnet
    from autospikformer_cli.spiking.neuron_kinds import OURS

    neuron, any_batch = network.config.neuron, {INPUT_NAME: {0: torch.export.Dim("batch")}}
    try:
        with torch.no_grad():
            program = torch.export.export(TracedSubnet(network), (example.contiguous(),), dynamic_shapes=any_batch)
    except Exception as error:  # a plugin may do anything
        if neuron in OURS:
            raise
        raise UserError(
            f"torch cannot trace the plugin's neuron {neuron}: {type(error).__name__}",
            "--to",
            "write a .safetensors, or make the neuron's forward pass of torch's operations alone",
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def _same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.numpy().tobytes() == other.cpu().numpy().tobytes()


@contextmanager
def _without_warnings_of_the_exporter() -> Iterator[None]:
    """Ignore a deprecation warning of torch.onnx about torch itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        yield
