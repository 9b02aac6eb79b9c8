"""Documents of `aspk import` and `aspk export`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields


class ImportDocument(Document, FidelityFields):
    """A run made from a checkpoint."""

    run: str
    """The run's folder."""
    recipe: str
    """The recipe's name."""
    file: str
    """The checkpoint."""
    sha256: str
    """Its hash."""
    tensors: int
    """Tensors taken."""
    left_out: list[str]
    """Tensors that no layer reads."""
    params: int
    """Parameters."""


class ExportDocument(Document, FidelityFields):
    """A file made from a subnet."""

    run: str
    """The run's folder."""
    subnet: list[float]
    """The paper's tuple."""
    file: str
    """The file."""
    format: str
    """safetensors, pt2 or onnx."""
    folded: bool
    """Whether BatchNorm is in the weights."""
    precision: str
    """float32 or float64."""
    parameters: int
    """Numbers in the file that were learned."""
    images_compared: int
    """Images that the file was compared on."""
    max_difference: float
    """The largest difference of two logits."""
    same_predictions: int
    """Images with the same prediction."""
    predicted_classes: int
    """Different classes among the predictions."""
    silent_layers: list[str]
    """Layers whose neurons hardly fire, by their names in `aspk energy`."""
    silent_blocks: list[int]
    """Blocks whose neurons hardly fire, from 0 on."""
    sha256: str
    """Hash of the file."""
