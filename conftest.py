"""What pytest does not import to look for doctests: a module whose package is not on every system."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["autospikformer_cli/spiking/triton_kernels.py"]
