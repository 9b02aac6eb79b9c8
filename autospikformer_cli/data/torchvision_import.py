"""torchvision, imported so that a build for CUDA also works with a CPU build of torch.

Such a pair lacks torchvision's compiled operators. `import torchvision` then stops at the first of two operators (nms,
qnms) that its Python side registers unconditionally. This module defines their schemas, so the import succeeds. Data
sets and transforms work; torchvision.ops.nms and the decoders of torchvision.io do not. Always import torchvision by

    from autospikformer_cli.data.torchvision_import import torchvision
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import torch

OPERATORS = ("nms", "qnms")
MISSING_OPERATOR = "operator torchvision::nms does not exist"

_schemas: list[object] = []
"""Keeps the libraries alive: their definitions vanish with the object."""


def import_torchvision() -> ModuleType:
    """The torchvision module. Raises what its import raises, except the error of the missing operator."""
    try:
        return import_module("torchvision")
    except RuntimeError as error:
        if MISSING_OPERATOR not in str(error):
            raise
    untyped: Any = torch.library.Library
    library = untyped("torchvision", "FRAGMENT")
    for operator in OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.append(library)
    return import_module("torchvision")


torchvision = import_torchvision()
import_module("torchvision.transforms.v2")  # torchvision itself does not import it
