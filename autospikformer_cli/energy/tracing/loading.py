"""Import of a user's network by its name."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from torch import nn
from torch.nn.parameter import is_lazy

from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import did_you_mean, nearest_names

FACTORY = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(\.[^\W\d]\w*)*)")
OPTION = "aspk energy module"


def load_module(name: str) -> nn.Module:
    """The network that "package.module:factory" names: a module, or what a callable returns.

    Makes the working folder importable. Raises UserError if there is no such network, or it cannot be counted.
    """
    found = FACTORY.fullmatch(name)
    if found is None:
        what = f"{name!r} has not the form package.module:factory"
        raise UserError(what, OPTION, "for example my_networks:make_network, of my_networks.py in the working folder")
    if found["module"].endswith(".py"):
        raise UserError(f"{name!r} names a file", OPTION, f"leave out .py: {name.replace('.py:', ':')}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    factory = _attribute(_imported(found["module"]), found["module"], found["attribute"])
    if isinstance(factory, nn.Module):
        return _countable(name, factory)
    takes = "a factory takes no arguments, and returns a torch.nn.Module"
    if not callable(factory):
        raise UserError(f"{name} is of type {type(factory).__name__}, and no factory", OPTION, takes)
    try:
        network = factory()
    except (Exception, SystemExit) as error:
        raise UserError(f"{name} raises {told(error)}", OPTION, takes) from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{name} returns a value of type {type(network).__name__}, no module", OPTION, takes)
    return _countable(name, network)


def _countable(name: str, network: nn.Module) -> nn.Module:
    for tensor in (*network.parameters(), *network.buffers()):
        if is_lazy(tensor):
            raise UserError(
                f"{name} has layers without sizes", OPTION, "run it once in the factory, or write the sizes"
            )
        if tensor.is_meta:
            raise UserError(f"{name} has no weights, they are on the meta device", OPTION, "make it on the CPU")
        if tensor.is_complex():
            raise UserError(f"{name} has complex weights", OPTION, "only products of real numbers are counted")
    return network


def _imported(name: str) -> object:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        looked = "modules are looked for in the working folder, then among what is installed"
        shown = f'python -c "import {name}" shows where'
        fix = looked if missing and f"{name}.".startswith(f"{missing}.") else shown
        raise UserError(f"{name} cannot be imported: {told(error)}", OPTION, fix) from error


def _attribute(module: object, name: str, path: str) -> object:
    value = module
    for part in path.split("."):
        if not hasattr(value, part):
            public = [each for each in dir(value) if not each.startswith("_") and callable(getattr(value, each, None))]
            fix = did_you_mean(nearest_names(part, public)) or f"it has {', '.join(public) or 'nothing to call'}"
            raise UserError(f"{name} has no {part}", OPTION, fix)
        value, name = getattr(value, part), f"{name}.{part}"
    return value


def told(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
