"""Makes a run from a published Spikformer checkpoint: reads it without running its code, checks it, stores it.

Its names and shapes must be those of the recipe's network.
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.exchange.state_dict_file import read_state_dict
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.sections import EVENT_DATASETS
from autospikformer_cli.runs.building import environment, make_supernet, stored_text
from autospikformer_cli.spiking.published import Architecture, Entry, Shape, Translation, architecture, translate
from autospikformer_cli.store.runs import RunPath, is_run, new_run, prepared_run, run_lock, run_to_write, runs_folder
from autospikformer_cli.store.supernet import Checkpoint, Origin, TrainState, save_checkpoint
from autospikformer_cli.wording import shortened

if TYPE_CHECKING:
    import torch

    from autospikformer_cli.engine.compute import Compute

IMPORTED = TrainState(epoch=0, step=0, finished=True, history=(), loss_sum=0.0, images=0, seconds=0.0)
"""The state of an imported run: nothing was trained here, and nothing is left to train."""
MOST_NAMES, MOST_SHAPES = 100, 10
"""The most tensors that an error names: those that are missing or left over, and those of another shape."""
_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Imported:
    """A checkpoint that fits its recipe.

    num_params: of the whole network, without running statistics. remarks: what a user should know, besides what was
    left out. compute: decides the precision of the weights.
    """

    recipe: Recipe
    origin: Origin
    weights: dict[str, np.ndarray[Any, Any]]
    num_params: int
    remarks: tuple[str, ...]
    compute: Compute

    def save(self, run: RunPath, name: str) -> Path:
        """Write it as a new run: in the folder that `run` names, or in runs/NAME, which gets a number if it exists.

        The splits stay empty, since the training images of the checkpoint are unknown. Later commands accept any split
        of the data set. Raises UserError if the folder is a run already, or cannot be written.
        """
        path = new_run(runs_folder() / name) if run is None else prepared_run(run_to_write(run))
        checkpoint = Checkpoint(
            recipe_name=self.recipe.name,
            recipe_toml=stored_text(self.recipe),
            state=IMPORTED,
            splits={},
            environment=environment(self.compute),
            origin=self.origin,
            weights=self.weights,
            optimizer={},
        )
        with run_lock(path):
            require_no_run(path)
            save_checkpoint(path, checkpoint)
        return path


def require_no_run(run: RunPath) -> None:
    """Raises UserError if this names a run, whose supernet would be lost."""
    if run is not None and is_run(path := run_to_write(run)):
        raise UserError(
            f"{path} is a run already, and would be overwritten",
            "--run",
            "name a new folder, or leave --run out for one under runs/",
        )


def run_name(file: Path) -> str:
    """A file's name without its suffix: model_best.pth.tar -> model_best."""
    return Path(file.name.removesuffix(".tar")).stem


def import_checkpoint(file: Path, recipe: Recipe, compute: Compute) -> Imported:
    """Read a checkpoint's weights for a recipe's network, in the precision of `compute`. No data set is read.

    Raises UserError or Faults if the file cannot be read or trusted, does not fit, or holds impossible values.
    """
    state = read_state_dict(file)
    exported = _switches(state.metadata)
    if exported.get("model.network") == "transformer":
        fix = "evaluate it in the run that it was exported from, or import a spiking one"
        raise UserError("is an ANN that aspk exported; only spiking networks are imported", str(file), fix)
    if recipe.model.network != "spikformer":
        raise UserError(
            f'model.network is "{recipe.model.network}": the weights of spiking neurons mean nothing to it',
            f"recipe {recipe.name}",
            "import with --set 'model.network=\"spikformer\"'",
        )
    supernet = make_supernet(recipe, compute)
    expected = {name: tuple(tensor.shape) for name, tensor in supernet.state_dict().items()}
    found = translate({name: tuple(tensor.shape) for name, tensor in state.tensors.items()})
    _require_spikformer(file, found)
    _require_fit(file, found, expected, recipe)
    _require_pool(file, found, state.metadata, recipe)
    ordered = {name: found.entries[name] for name in expected}
    weights, rounded = _values(file, state.tensors, ordered, compute)
    remarks = [*state.remarks, *found.remarks, *_about_layout(found, exported, recipe)]
    if recipe.model.neuron == "plif" and not exported:
        remarks.append(
            "its neurons' w is read as 1 / tau = sigmoid(w - log(tau_0 - 1)), tau_0 being a subnet's tau: "
            "where they were trained as 1 / tau = sigmoid(w), they are the same at tau 2 only"
        )
    if rounded:
        remarks.append(f"rounded to {compute.precision}: {shortened(rounded)}; --precision float64 keeps all digits")
    num_params = sum(parameter.numel() for parameter in supernet.parameters())
    origin = Origin(file.name, state.sha256, (*state.left_out, *found.left_out))
    return Imported(recipe, origin, weights, num_params, tuple(remarks), compute)


def _switches(metadata: Mapping[str, str]) -> dict[str, object]:
    """The switches that `aspk export` wrote; none if another program wrote the file."""
    try:
        switches = json.loads(metadata.get("switches", ""))
    except ValueError:
        return {}
    return switches if isinstance(switches, dict) else {}


def _require_spikformer(file: Path, found: Translation) -> None:
    """Raises UserError for another network, by its name."""
    if found.foreign is not None:
        raise UserError(
            f"this is a {found.foreign.name} checkpoint, no Spikformer: {found.foreign.lacks}",
            str(file),
            "aspk imports Spikformer alone; aspk energy module counts any other network in PyTorch",
        )


def _require_pool(file: Path, found: Translation, metadata: Mapping[str, str], recipe: Recipe) -> None:
    """Raises UserError if the file's network pools where the recipe's does not. Its tensors fit both.

    metadata: what aspk wrote, if it exported the file.
    """
    pool = recipe.model.pool
    if found.is_spikingjelly:
        what, pool = "is SpikingJelly's Spikformer, which pools before its neurons", "before"
    elif "recipe" in metadata:
        pool = tomllib.loads(metadata["recipe"]).get("model", {}).get("pool", "after")
        what = f'was exported with model.pool = "{pool}"'
    if pool != recipe.model.pool:
        what += f'; the recipe has model.pool = "{recipe.model.pool}"'
        raise UserError(what, str(file), _pool_remedy(pool))


def _pool_remedy(pool: str) -> str:
    return f"--set 'model.pool=\"{pool}\"'"


def _about_layout(found: Translation, exported: Mapping[str, object], recipe: Recipe) -> Iterator[str]:
    if found.is_spikingjelly:
        yield (
            "it is SpikingJelly's Spikformer: its projections and MLPs have no biases, and zeros are imported, which "
            "count as parameters"
        )
    elif recipe.model.pool == "before" and not exported:
        yield 'its names are those of the published code, which pools after its neurons; model.pool is "before"'


def _require_fit(file: Path, found: Translation, expected: Mapping[str, Shape], recipe: Recipe) -> None:
    """Raises UserError with all missing, left over and misshapen tensors, and the recipe keys that help."""
    shapes = found.shapes
    if not shapes.keys() & expected.keys():
        raise UserError(
            f"is no Spikformer: the network knows none of its {len(shapes)} names, as {shortened(list(shapes))}",
            str(file),
            f"names are those of the published state dicts, as {shortened(list(expected))}",
        )
    sizes = architecture(shapes)
    _require_one_hidden_size(file, sizes)
    missing = [name for name in expected if name not in shapes]
    left_over = [entry.source for name, entry in found.entries.items() if name not in expected]
    misshapen = [
        f"{name} is {_written(shapes[name])}, not {_written(shape)}"
        for name, shape in expected.items()
        if shapes.get(name, shape) != shape
    ]
    faults = [
        f"  {len(names)} {kind}:\n{_filled(names)}"
        for kind, names in (("missing", missing), ("left over", left_over))
        if names
    ]
    if misshapen:
        shown = shortened(misshapen, ";\n    ", MOST_SHAPES)
        faults.append(f"  {len(misshapen)} of another shape:\n    {shown}")
    if not faults:
        return
    fixes = list(_remedies(sizes, architecture(expected), recipe))
    if found.is_spikingjelly and recipe.model.pool == "after":
        fixes.append(f"SpikingJelly's Spikformer pools before its neurons: {_pool_remedy('before')}")
    if not fixes and missing:
        fixes.append("save the network's whole state_dict(), running statistics among it")
    elif not fixes:
        fixes.append("import it with the recipe of its own network; or take out of the file what no layer reads")
    what = f"does not fit the network of recipe {recipe.name}; tensors are"
    raise UserError("\n".join([what, *faults]), str(file), "\n  ".join(fixes))


def _require_one_hidden_size(file: Path, found: Architecture) -> None:
    """Raises UserError for a subnet with MLPs of several sizes, which no recipe describes."""
    *others, largest = found.hidden_dims or (0,)
    if others:
        sizes = f"{', '.join(map(str, others))} and {largest} hidden neurons"
        raise UserError(
            f"its blocks have {sizes}, and a run's supernet has one size: it cannot become a run",
            str(file),
            "if aspk exported it, keep using it in the run that it was exported from, or read it from there with "
            "autospikformer_cli.load_subnet",
        )


def _filled(names: Sequence[str]) -> str:
    """Names of tensors in indented lines, none broken across lines."""
    text = shortened(names, "; ", MOST_NAMES)
    return textwrap.fill(
        text, 110, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _remedies(found: Architecture, expected: Architecture, recipe: Recipe) -> Iterator[str]:
    """For each difference of two networks: the recipe key that decides it, and the value that it needs."""

    def differ(gene: str) -> bool:
        return getattr(found, gene) not in (None, getattr(expected, gene))

    yield from _width_remedies(found, expected, recipe)
    if found.depth and differ("depth"):
        yield f"it has {found.depth} blocks, the recipe {expected.depth}: --set 'space.depth=[{found.depth}]'"
    if differ("num_classes"):
        classes = f"{found.num_classes} classes, {recipe.data.dataset} has {expected.num_classes}"
        yield f"it knows {classes}: take a recipe whose data.dataset has as many"
    if differ("in_channels"):
        yield f"it reads {found.in_channels} channels, not {expected.in_channels}: {_channels_remedy(found, recipe)}"
    if found.depth and found.qkv_bias != expected.qkv_bias:
        owns = "have biases" if found.qkv_bias else "have no biases"
        yield f"its q, k and v {owns}: --set model.qkv_bias={str(found.qkv_bias).lower()}"
    if found.learnable_tau != expected.learnable_tau:
        neuron, owns = ("plif", "have a weight") if found.learnable_tau else ("lif", "have no weight")
        yield f"its neurons {owns}: --set 'model.neuron=\"{neuron}\"'"


def _width_remedies(found: Architecture, expected: Architecture, recipe: Recipe) -> Iterator[str]:
    if found.embed_dim is None:
        return
    if found.embed_dim != expected.embed_dim:
        odd = [heads for heads in recipe.space.num_heads if found.embed_dim % heads]
        heads = f", and space.num_heads that divide it, as {odd[0]} does not" if odd else ""
        widths = f"{found.embed_dim} channels where the recipe's widest embed_dim is {expected.embed_dim}"
        yield f"it has {widths}: --set 'space.embed_dim=[{found.embed_dim}]'{heads}"
    if found.stem_dim == found.embed_dim and recipe.model.stem_dim not in (None, found.stem_dim):
        yield "its stem is as wide as its embedding: --set 'model.stem_dim=\"none\"'"
    elif found.stem_dim not in (None, found.embed_dim, expected.stem_dim):
        third = f"its stem's third convolution has {found.stem_dim // 2} channels, half of {found.stem_dim}"
        yield f"{third}: --set model.stem_dim={found.stem_dim}"
    for hidden_dim in found.hidden_dims:
        widest = recipe.space.mlp_ratio[-1]
        if int(found.embed_dim * widest) != hidden_dim:
            ratio = _ratio(found.embed_dim, hidden_dim)
            hidden = f"its MLPs have {hidden_dim} hidden neurons, {ratio} times its channels"
            yield f"{hidden}, the recipe's {widest} times: --set 'space.mlp_ratio=[{ratio}]'"


def _ratio(embed_dim: int, hidden_dim: int) -> Decimal:
    """The shortest mlp_ratio that gives `hidden_dim` hidden neurons: floor(embed_dim x ratio)."""
    exact = Decimal(hidden_dim) / embed_dim
    rounded = (exact.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING) for digits in range(12))
    return next((ratio for ratio in rounded if int(embed_dim * ratio) == hidden_dim), exact)


def _channels_remedy(found: Architecture, recipe: Recipe) -> str:
    if recipe.data.dataset in EVENT_DATASETS and found.in_channels in (1, 2):
        polarity = "merged" if found.in_channels == 1 else "separate"
        return f"--set 'data.polarity=\"{polarity}\"'"
    return "take a recipe whose data.dataset has as many"


def _values(
    file: Path, tensors: Mapping[str, torch.Tensor], entries: Mapping[str, Entry], compute: Compute
) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
    """Arrays by our names in the precision of `compute`, and the file's names of those that were rounded.

    Raises Faults for values that a network cannot have.
    """
    import torch

    arrays, odd, infinite, negative, rounded = {}, [], [], [], []
    for name, entry in entries.items():
        source = _source(tensors, entry)
        kind = str(source.dtype).removeprefix("torch.")
        if kind not in _FLOATS or source.layout is not torch.strided or source.device.type != "cpu":
            odd.append(f"{entry.source} ({kind if source.device.type == 'cpu' else 'without values'})")
            continue
        tensor = source.reshape(entry.shape).to(compute.dtype).contiguous()
        if not tensor.isfinite().all():
            infinite.append(entry.source)
        elif name.endswith("running_var") and (tensor < 0).any():
            negative.append(entry.source)
        elif not torch.equal(tensor.double(), source.reshape(entry.shape).double()):
            rounded.append(entry.source)
        arrays[name] = tensor.numpy()
    kinds = {
        f"tensors that are no plain arrays of {', '.join(_FLOATS)}": odd,
        f"values that are not finite in {compute.precision}": infinite,
        "negative variances": negative,
    }
    faults = [
        UserError(f"has {what}: {shortened(names)}", str(file), "import another checkpoint of that training")
        for what, names in kinds.items()
        if names
    ]
    if faults:
        raise Faults(faults)
    return arrays, rounded


def _source(tensors: Mapping[str, torch.Tensor], entry: Entry) -> torch.Tensor:
    """The file's values of one of our tensors, in the file's shape."""
    import torch

    if not entry.source:
        return torch.zeros(entry.shape)
    source = tensors[entry.source].detach()
    return source if entry.third is None else source.chunk(3)[entry.third]


def _written(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a number"
