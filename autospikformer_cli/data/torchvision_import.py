"""torchvision, imported so that a build for CUDA also works beside a CPU build of torch.

Such a pair lacks torchvision's compiled operators, and `import torchvision` stops at the first of two whose Python
side is registered without asking (nms, qnms). With their schemas defined the import goes through: data sets and
transforms work, torchvision.ops.nms and the decoders of torchvision.io do not. Import torchvision through here only:

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
"""Kept alive: a library's definitions vanish with the object."""


def import_torchvision() -> ModuleType:
    """The torchvision module. Raises what its import raises, other than the missing operator."""
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
import_module("torchvision.transforms.v2")  # which torchvision itself does not import
