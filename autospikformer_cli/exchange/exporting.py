"""One subnet of a run, alone: as a module, or as a file that its runtime reads again and agrees with.

Dimension legend: B images, F frames, H W rows and columns, C channels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autospikformer_cli.atomic_files import explaining_refusal, is_stream, replacing, try_writing
from autospikformer_cli.data.labels import labels
from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange.formats import Format, Predict, format_of
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.runs.selection import select_of, silence_notes
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.files import aspk_version
from autospikformer_cli.store.targets import require_parent
from autospikformer_cli.units import format_count

if TYPE_CHECKING:
    from torch import Tensor

    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.spiking.extraction import ExtractedSubnet
    from autospikformer_cli.spiking.normalisation import Statistics

_FIX = "make room or allow writing there, or name another file"
COMPARED_IMAGES = 100
"""Validation images that a file is compared on, if no other number is asked for."""
LARGEST_DIFFERENCE = 1e-9
"""The largest difference of logits that an export in float64 may have."""
SAME_SHARE = 0.99
"""The least share of equal predictions in float32. There, another rounding of a potential may flip a spike."""


def extract(run: TrainedRun, subnet: str) -> ExtractedSubnet:
    """A subnet of a run as a module. The recipe decides whether its BatchNorm statistics are measured or training's.

    subnet: as --subnet. Raises UserError.
    """
    chosen = select_of(run, subnet).subnet
    _require_own_statistics(run)
    return _extracted(run, chosen, run.evaluator().statistics(chosen), fold=False)


def _require_own_statistics(run: TrainedRun) -> None:
    if run.recipe.model.batchnorm == "batch":
        raise UserError(
            "a subnet whose BatchNorm takes the statistics of each batch has none of its own to be exported with",
            "model.batchnorm",
            """measure them: --set 'model.batchnorm="recalibrate"'""",
        )


def _extracted(run: TrainedRun, subnet: Subnet, statistics: Statistics, *, fold: bool) -> ExtractedSubnet:
    from autospikformer_cli.spiking.extraction import ExtractedSubnet

    mean, std = run.description.mean, run.description.std
    network = ExtractedSubnet(run.supernet, subnet, statistics, mean=mean, std=std, fold=fold)
    return network.cpu()


class Agreement(NamedTuple):
    """Predictions of a file's runtime, compared with those of the run's supernet on the same images.

    max_difference: the largest difference of two logits. same: number of equal predictions. classes: number of classes
    that are predicted.
    """

    images: int
    max_difference: float
    same: int
    classes: int

    def passes(self, precision: str) -> bool:
        """Whether they agree, as far as the precision allows."""
        if precision == "float64":
            return self.max_difference <= LARGEST_DIFFERENCE
        return self.same >= SAME_SHARE * self.images and isfinite(self.max_difference)

    def __str__(self) -> str:
        warning = "; all are of one class, which is weak evidence" if self.classes == 1 else ""
        logits = f"logits within {self.max_difference:.2g}"
        return f"{self.same} of {self.images} predictions are the same{warning}, {logits}"


@dataclass(frozen=True)
class Exported:
    """An exported file, and how it compares with the network."""

    run: Path
    subnet: Subnet
    file: Path
    runtime: str
    folded: bool
    precision: str
    parameters: int
    comparison: Agreement
    measured: Measurement
    sha256: str

    def lines(self) -> Iterator[str]:
        """Lines of text for a reader."""
        folded = ", BatchNorm folded into its weights" if self.folded else ""
        size = format_count(self.file.stat().st_size)
        yield f"{self.file}: {self.subnet} of {self.run}, {self.precision}{folded}"
        yield f"  {format_count(self.parameters)} parameters, {size}B, SHA-256 {self.sha256[:16]}"
        yield f"  read again by {self.runtime}: {self.comparison}"
        yield from silence_notes([("the network", self.measured)])

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "run": str(self.run),
            "subnet": self.subnet.to_numbers(),
            "file": str(self.file),
            "format": self.file.suffix.removeprefix("."),
            "folded": self.folded,
            "precision": self.precision,
            "parameters": self.parameters,
            "images_compared": self.comparison.images,
            "max_difference": self.comparison.max_difference,
            "same_predictions": self.comparison.same,
            "predicted_classes": self.comparison.classes,
            "silent_layers": list(self.measured.silent_layers),
            "silent_blocks": list(self.measured.silent_blocks),
            "sha256": self.sha256,
        }


@dataclass(frozen=True)
class Export:
    """The export of one subnet of a run to a file."""

    run: TrainedRun
    subnet: Subnet
    file: Path
    format: Format
    fold: bool = False

    @classmethod
    def open(cls, run: TrainedRun, subnet: str, file: Path, file_format: Format, fold: bool) -> Export:
        """The export of a subnet by its name. Nothing is computed yet. Raises UserError."""
        _require_own_statistics(run)
        chosen = select_of(run, subnet)
        for remark in chosen.remarks(run.recipe):
            run.say.remark(remark)
        return cls(run, chosen.subnet, file, file_format, fold)

    def _compared(self, first: int | None) -> ImageSet:
        """The first sample images: COMPARED_IMAGES or all if there are fewer, or as many as are asked for."""
        if first is not None:
            return self.run.asked_images(self.run.sample_split, first)
        return self.run.images(self.run.sample_split).first(COMPARED_IMAGES)

    def write(self, first: int | None = None) -> Exported:
        """Write the file. It takes its place if its runtime agrees on the first of the run's sample images.

        first: number of these images; by default COMPARED_IMAGES, or all if there are fewer. Raises UserError if the
        runtime does not agree, or the file cannot be written.
        """
        images = self._compared(first)
        self.run.say.remark(f"extracting {self.subnet}")
        evaluator = self.run.evaluator()
        statistics = evaluator.statistics(self.subnet)
        expected = self._expected(images, statistics, evaluator)
        measured = evaluator.measure(self.subnet, images).measurement
        network = _extracted(self.run, self.subnet, statistics, fold=self.fold)
        inputs, metadata = self._inputs(images), self._metadata(images)
        self.run.say.remark(f"writing {self.file}")
        with explaining_refusal(self.file, _FIX), replacing(self.file) as temporary:
            self.format.write(network, inputs.new_zeros(2, *inputs.shape[1:]), temporary, metadata)
            comparison = self._compare(
                self.format.read(network, temporary, self.run.compute.threads), inputs.split(evaluator.batch), expected
            )
            if not comparison.passes(self.run.compute.precision):
                raise self._disagreement(comparison)
            digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        parameters = sum(parameter.numel() for parameter in network.parameters())
        precision = self.run.compute.precision
        return Exported(
            self.run.path, self.subnet, self.file, self.format.runtime, self.fold, precision, parameters, comparison,
            measured, digest,
        )  # fmt: skip

    def _expected(self, images: ImageSet, statistics: Statistics, evaluator: Evaluator) -> Tensor:
        """The subnet's logits, computed by the supernet in torch. Raises UserError if some are not finite."""
        from autospikformer_cli.engine.dense import Dense

        in_torch = replace(evaluator, engine=Dense(evaluator.supernet))
        with self.run.say.progress("evaluating", len(images), unit="images") as progress:
            expected = in_torch.logits(self.subnet, images, statistics, advance=progress.advance)
        if not expected.isfinite().all():
            what = f"subnet {self.subnet} has logits that are no numbers, there is nothing to compare a file with"
            raise UserError(
                what, str(self.run.path), "export another subnet, or train again with smaller learning rates"
            )
        return expected

    def _inputs(self, images: ImageSet) -> Tensor:
        """Images as the extracted network reads them: (B, C, H, W), or (B, F, C, H, W) for events."""
        from autospikformer_cli.data.frames import to_frames

        frames_FBHWC = to_frames(images.images[:], self.run.description, "cpu", self.run.compute.dtype)
        frames_BFCHW = frames_FBHWC.permute(1, 0, 4, 2, 3)
        return (frames_BFCHW[:, 0] if self.run.description.num_frames is None else frames_BFCHW).contiguous()

    def _compare(self, predict: Predict, batches: Sequence[Tensor], expected: Tensor) -> Agreement:
        import torch

        logits = []
        with self.run.say.progress("comparing", len(expected), unit="images") as progress, torch.no_grad():
            for batch in batches:
                logits.append(predict(batch))
                progress.advance(len(batch))
        found = torch.cat(logits)
        wanted = expected.argmax(-1)
        same = int((found.argmax(-1) == wanted).sum())
        return Agreement(len(expected), float((found - expected).abs().max()), same, len(wanted.unique()))

    def _disagreement(self, comparison: Agreement) -> UserError:
        if self.run.compute.precision == "float64":
            wanted = f"logits must be within {LARGEST_DIFFERENCE:g}"
            fix = "please report this: float64 leaves no room for a flipped spike"
        else:
            wanted = f"at least {100 * SAME_SHARE:g} % must be the same"
            fix = (
                "rounding flips spikes, and near ties with them: compare more images, --images 500; a .pt2 with "
                "--precision float64 has no such differences"
            )
        what = f"not written, {self.format.runtime} computes something else from it: {comparison}; {wanted}"
        return UserError(what, str(self.file), fix)

    def _metadata(self, images: ImageSet) -> Mapping[str, str]:
        """What is in the file, what it reads and predicts, and how it was made, as texts. No path of this machine."""
        run, recipe, description = self.run, self.run.recipe, self.run.description
        obtained = run.provenance(images)
        is_image = description.num_frames is None
        facts = {
            "subnet": str(self.subnet),
            "time_step": self.subnet.time_step,
            "class_names": list(labels(recipe.data)),
            "image_size": description.image_size,
            "in_channels": description.in_channels,
            "normalisation": "(pixel / 255 - mean) / std" if is_image else "none, counts of events",
            "mean": list(description.mean),
            "std": list(description.std),
            "batchnorm_folded": self.fold,
            "aspk_version": aspk_version(),
            "recipe_name": recipe.name,
            "recipe": recipe.without_local_paths().to_toml(),
            "switches": recipe.resolved_switches(),
            **{name: value for name, value in asdict(obtained).items() if name != "images"},
            "compared_images": obtained.images,
        }
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}


def require_format(file: Path, precision: str, overwrite: bool) -> Format:
    """The format of a file's suffix. Raises UserError if it, the precision or the place is impossible."""
    file_format = format_of(file)
    file_format.require(precision)
    _require_place(file, overwrite)
    return file_format


def _require_place(file: Path, overwrite: bool) -> None:
    """Raises UserError if the file cannot be written there, or exists and may not be overwritten."""
    with explaining_refusal(file, _FIX):
        if file.is_dir():
            raise UserError(f"{file} is a folder", "--to", "name a file in it")
        if file.exists() and not overwrite and not is_stream(file):
            raise UserError(f"{file} exists", "--to", "name another file, or add --overwrite")
        require_parent(file, "--to")
        try_writing(file)
