"""How a supernet was trained, in sentences for a methods section: the optimizer, and what is not the default."""

from __future__ import annotations

from collections.abc import Iterator

from autospikformer_cli.recipe import DataConfig, Recipe, TrainConfig
from autospikformer_cli.store.supernet import Training
from autospikformer_cli.wording import counted

_SAMPLINGS = {
    "single": "Each step trained one subnet, drawn uniformly from the search space.",
    "fair": "Each step trained one subnet, whose genes took each of their choices equally often, in random order.",
    "sandwich": "Each step trained the largest subnet, the smallest, and others that were drawn uniformly.",
}


def optimizer_of(train: TrainConfig) -> str:
    """The optimizers' names, and Muon's settings."""
    if train.optimizer == "adamw":
        return "AdamW"
    rates = f"learning rate {train.matrix_lr:g}, weight decay {train.matrix_weight_decay:g}"
    return f"Muon for matrices ({rates}), AdamW for the rest,"


def batches_of(train: TrainConfig) -> str:
    """Images of a batch, and batches of a step."""
    batches = f"batches of {counted(train.batch, 'image')}"
    return batches if train.accumulate == 1 else f"{batches} ({train.accumulate:,} a step)"


def augmentation_of(data: DataConfig) -> str:
    """The augmentation's name, and how far images are moved."""
    if data.augment == "none":
        return "no augmentation"
    far = f" by up to {counted(data.translation, 'pixel')}" if data.augment == "translate" else ""
    return f"augmentation {data.augment}{far}"


def training_sentences(trained: Recipe) -> Iterator[str]:
    """The subnets of a step, and every setting that a reader would not expect."""
    train = trained.train
    yield _SAMPLINGS[train.sampling]
    for share, genes in (
        (train.neuron_curriculum, "thresholds and taus, those nearest 1 and 2 first"),
        (train.time_step_curriculum, "time steps, the smallest first"),
    ):
        if share:
            yield f"The first {100 * share:g} % of the training widened the choices of {genes}."
    if train.distillation == "soft_labels":
        yield "The largest learned from the labels, and the others from its softmax."
    if train.initial_weights == "fan_in":
        yield "First weights of linear layers were normal, with deviation 1/sqrt(inputs)."
    if train.whitened_stem:
        yield "Filters of the first convolution started as whitening directions of patches of training images."
    if train.schedule == "linear":
        yield f"After the warm-up, the learning rate fell along a straight line to {train.lr_end:g}."
    if train.ema_half_life:
        half_life = f"{100 * train.ema_half_life:g} % of the training"
        yield f"The weights are an exponential moving average with a half-life of {half_life}."
    if train.norm_bias_lr_factor != 1:
        yield f"Biases of BatchNorm had {train.norm_bias_lr_factor:g} times that learning rate."
    if train.clip_norm:
        yield f"The norm of all gradients of a step was clipped at {train.clip_norm:g}."
    if train.unused_weights == "stay":
        yield "Weights that no subnet of a step used were left as they were, without decay or momentum."


def choice_sentences(trained: Recipe, training: Training) -> Iterator[str]:
    """Which weights were chosen by accuracies on validation images, and by which; nothing if the recipe chose none."""
    state, measure, train = training.state, training.measure, trained.train
    if measure is None or not state.finished:
        return
    if state.stopped_early:
        yield (
            f"It ended after epoch {state.epoch} of {train.total_epochs}, as {counted(train.patience, 'epoch')} had "
            f"brought no better mean accuracy on validation images."
        )
    kind = "without their average, " if state.chosen_unaveraged else ""
    subnets, images = counted(len(measure.subnets), "subnet"), counted(measure.images, "validation image")
    yield (
        f"The weights are those after epoch {state.weights_epoch}, {kind}chosen by the mean accuracy of {subnets} on "
        f"{images}."
    )
