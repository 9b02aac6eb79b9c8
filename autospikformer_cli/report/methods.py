"""How a search's numbers were measured: a paragraph for the methods section of a paper, made of what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.recipe.energy.models import HardwareProfile
from autospikformer_cli.recipe.sections import EVENT_DATASETS
from autospikformer_cli.registry import DISTRIBUTION
from autospikformer_cli.report.finish_methods import finish_facts, finish_sentences
from autospikformer_cli.report.provenance import changed_rules
from autospikformer_cli.report.table_formats import latex_text, markdown_text
from autospikformer_cli.report.table_notes import fitness_facts
from autospikformer_cli.report.training_methods import (
    augmentation_of,
    batches_of,
    choice_sentences,
    optimizer_of,
    training_sentences,
)
from autospikformer_cli.runs.finishing.stored import is_finished, read_finished
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.store.evaluations import Evaluation, load_evaluations
from autospikformer_cli.store.supernet import Training, read_training
from autospikformer_cli.wording import counted

METHODS_FORMATS = ("text", "markdown", "latex", "json")
SHOWN_DIGITS = 16
"""Hexadecimal digits of a hash that are printed; JSON has all."""
_ENGINES = {"event_driven": "event by event, with exact counts of synaptic events", "dense": "densely, in torch"}
_READINGS = {
    "sound": "the reading that aspk calls sound",
    "paper": "its text as printed",
    "authors": "the code that its authors published",
}


@dataclass(frozen=True)
class Methods:
    """The paragraph. facts: what it states, by name, with hashes in full; None for what a run does not have."""

    run: str
    search: str
    sentences: tuple[str, ...]
    facts: Mapping[str, bool | int | float | str | None]

    @property
    def text(self) -> str:
        """The paragraph."""
        return " ".join(self.sentences)

    def written(self, chosen: str) -> str:
        """The paragraph in text, markdown or latex."""
        escape = {"markdown": markdown_text, "latex": latex_text}.get(chosen)
        return f"{escape(self.text) if escape else self.text}\n"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {"run": self.run, "search": self.search, "text": self.text, "facts": dict(self.facts)}


def methods_of(results: SearchResults) -> Methods:
    """How a search's numbers were measured. Nothing is measured; no number is from elsewhere than the run's files."""
    training = read_training(results.path)
    trained = recipe_from_toml(training.recipe_toml, training.recipe_name, shown=f"the recipe stored in {results.path}")
    evaluations = [each for each in load_evaluations(results.path) if each.split == "test"]
    name = results.population.name
    finished = read_finished(results.path, (), name) if is_finished(results.path, name) else None
    sentences = (
        *_on_training(results, training, trained),
        *_on_the_search(results),
        *_on_measuring(results),
        *_on_energy(results.recipe),
        *_on_tests(evaluations),
        *(() if finished is None else finish_sentences(finished)),
        *_on_software(results.provenance, results.recipe),
    )
    facts = {**_facts(results, training, trained, evaluations), **finish_facts(finished)}
    return Methods(str(results.path), name, sentences, facts)


def _on_training(results: SearchResults, training: Training, trained: Recipe) -> Iterator[str]:
    dataset = trained.data.dataset
    if training.origin is not None:
        origin = training.origin
        yield f"The supernet for {dataset} was imported from {origin.file} ({_digest(origin.sha256)})."
        return
    train, environment = trained.train, training.environment
    epochs = results.provenance.epochs
    is_whole = epochs >= train.total_epochs or (training.state.finished and epochs == training.state.weights_epoch)
    begun = "" if is_whole else f" of {train.total_epochs}, which had not ended,"
    mixup = f"mixup {train.mixup:g}" if train.mixup else "no mixup"
    yield f"One supernet was trained on {_trained_on(training, trained)}."
    yield (
        f"It was trained for {counted(epochs, 'epoch')}{begun} with {optimizer_of(train)} and seed "
        f"{trained.seed}: "
        f"{batches_of(train)}, learning rate {train.lr:g} after {_epochs(train.warmup_epochs)} "
        f"of warm-up, weight decay {train.weight_decay:g}, label smoothing {train.label_smoothing:g}, "
        f"{mixup}, {augmentation_of(trained.data)}."
    )
    yield from training_sentences(trained)
    yield from choice_sentences(trained, training)
    several = environment.get("world_size", "1")
    yield (
        f"Training was in {environment.get('precision', 'float32')} on {environment.get('device', 'cpu')}"
        f"{'' if several == '1' else f', by {several} processes together'} "
        f"({_digest(results.provenance.weights_hash, 'the weights')})."
    )


def _trained_on(training: Training, trained: Recipe) -> str:
    """Its images, and what became of the others. A folder may have validation images of its own."""
    data, num = trained.data, _num_trained(training)
    images = f"{counted(num, 'training image')} of {data.dataset}" if num else f"training images of {data.dataset}"
    held_out = ""
    if data.validation and data.dataset != "folder":
        held_out = f"{100 * data.validation:g} % of the training images had been held out for validation"
    if data.train_images and held_out:
        return f"{images}, chosen with equal shares of the classes after {held_out}"
    if data.train_images:
        return f"{images}, chosen with equal shares of the classes"
    return f"{images}, after {held_out}" if held_out else images


def _num_trained(training: Training) -> int | None:
    """Images of an epoch; None before the first has ended, and for imported weights."""
    history = training.state.history
    return history[-1].images if history else None


def _on_the_search(results: SearchResults) -> Iterator[str]:
    recipe, state, num = results.recipe, results.population.state, len(results.population.candidates)
    search, algorithm = recipe.search, str(state.get("algorithm", recipe.search.algorithm))
    yield f"The search space has {counted(recipe.space.search_space().size(), 'subnet')}."
    budget = f"{counted(search.generations, 'generation')} of {counted(search.population, 'candidate')}"
    parents = f", {counted(search.parents, 'parent')}" if algorithm == "evolution" else ""
    if algorithm in ("evolution", "nsga2"):
        each = f"{search.p_depth:g} (depth, dimension, time steps) and {search.p_mutation:g} (all others)"
        one_gene = "one gene changed in a mutation"
        parents += f", {one_gene if search.mutation == 'one_gene' else f'genes mutated with probability {each}'}"
    ended = "" if state.get("finished") else " so far"
    yield (
        f"The search {results.population.name} measured {counted(num, 'subnet')}{ended}, by {algorithm} with seed "
        f"{recipe.seed}: at most {budget}{parents}."
    )
    if results.predictor is not None:
        yield f"It chose by the predictions of {results.predictor.model}, fitted anew before each generation."
    if results.limits:
        yield f"Subnets had to keep to {', '.join(results.limits)}."
    yield f"Subnets are ranked by F_AEB = {fitness_facts(results)}."


def _on_measuring(results: SearchResults) -> Iterator[str]:
    measured = results.provenance
    if results.events:
        yield f"Recordings of events became {results.events}."
    yield (
        f"Each subnet inherited its weights from the supernet and was not retrained; its accuracy is top-1 on "
        f"{measured.images:,} {measured.split} images ({_digest(measured.split_hash)}), with Wilson's 95 % "
        f"interval."
    )
    yield from (f"{note.removeprefix('! ').capitalize()}." for note in selection_notes(measured.split))
    if measured.batchnorm == "recalibrate":
        yield (
            f"Statistics of BatchNorm were measured anew for each subnet, on {measured.calibration_images:,} training "
            f"images without augmentation ({_digest(measured.calibration_hash)})."
        )
    elif measured.batchnorm == "running":
        yield "Statistics of BatchNorm are the supernet's running ones."
    else:
        yield (
            f"Statistics of BatchNorm are those of each evaluated batch of at most "
            f"{results.recipe.model.evaluation_batch:,} images, on which accuracies therefore depend."
        )
    how = _ENGINES.get(measured.engine, measured.engine)
    yield f"Subnets were executed {how}, in {measured.precision} on {measured.device}."


def _on_energy(recipe: Recipe) -> Iterator[str]:
    energy = recipe.energy
    if energy.unknown:
        yield f"Energies are not known: {'; '.join(fault.what for fault in energy.unknown.values())}."
        return
    hardware, changed = energy.hardware, changed_rules(recipe)
    but = f", with {' and '.join(changed)}" if changed else ""
    yield (
        f"Energies are those of the inference of one image, from counted operations under the convention "
        f"{energy.convention_name}{but}: {'; '.join(_counted_as(recipe))}."
    )
    unit, figures = hardware.unit, [] if hardware.mac is None else [(hardware.mac, "a multiply-accumulate")]
    figures.append((hardware.ac, "an accumulate"))
    if hardware.neuron_update:
        figures.append((hardware.neuron_update, "an update of a neuron"))
    if hardware.memory:
        figures += [(hardware.memory.read, "a bit that is read"), (hardware.memory.write, "a bit that is written")]
    costs = ", ".join(f"{figure:g} {unit} for {of}" for figure, of in figures)
    unpriced = "; multiply-accumulates have no price and are left out" if hardware.mac is None else ""
    yield f"They are priced by the hardware profile {hardware.name} ({_hardware_text(hardware)}): {costs}{unpriced}."
    yield f"Source of these figures: {' '.join(hardware.source.split()).rstrip('.')}."


def _counted_as(recipe: Recipe) -> Iterator[str]:
    """The rules of counting in force, in words; those on events for data sets of events only."""
    rules = recipe.energy.rules
    head = f"the classifier is {'counted' if rules.head else 'not counted'}"
    folded = "is folded into the weights" if rules.batchnorm_folded else "costs a multiply-accumulate for each output"
    if recipe.model.network == "transformer":
        yield from ("all operations are multiply-accumulates", f"BatchNorm {folded}", head)
        return
    steps = {"once": "once for each image", "every": "at every time step"}[rules.first_layer_steps]
    costs = {"ac": "n accumulates", "mac": "one multiply-accumulate"}
    if recipe.data.dataset in EVENT_DATASETS:
        yield f"a pixel of n events costs {costs[rules.event_input]}"
    else:
        yield f"the first layer multiplies the pixels {steps}"
    yield f"a whole number n, which a residual sum of spikes can be, costs {costs[rules.residual]}"
    yield f"attention is counted as {'(q k) v' if rules.order == 'qk_v' else 'q (k v)'}"
    rate = {"layer": "the firing rate of its own input", "mean": "the mean firing rate of all inputs"}[rules.rate]
    if rules.border == "exact":
        yield "a spike counts for the outputs that it reaches, and in attention if both factors of a product are spikes"
    else:
        yield f"the accumulates of a layer are its multiply-accumulates times the time steps and {rate}"
    yield from (f"BatchNorm {folded}", head)


def _hardware_text(hardware: HardwareProfile) -> str:
    """Its title and its process, the process once."""
    node = hardware.process.partition(" at ")[0]
    if hardware.title.startswith(node):
        return f"{hardware.process}{hardware.title.removeprefix(node)}"
    return f"{hardware.title}, {hardware.process}"


def _on_tests(evaluations: list[Evaluation]) -> Iterator[str]:
    groups: dict[tuple[int, str], int] = {}
    for each in evaluations:
        measured = (each.provenance.images, each.provenance.split_hash)
        groups[measured] = groups.get(measured, 0) + 1
    for (images, digest), num in groups.items():
        yield (
            f"{counted(num, 'evaluation')} of single subnets used {counted(images, 'test image')} ({_digest(digest)})."
        )


def _on_software(measured: Provenance, recipe: Recipe) -> Iterator[str]:
    switches = recipe.switches()
    exceptions = "one exception" if len(switches) == 1 else "exceptions"
    but = f", with {exceptions} in the recipe: {', '.join(switches)}" if switches else ""
    followed = _READINGS.get(recipe.fidelity, f"the reading {recipe.fidelity}")
    yield (
        f"Where the article on Auto-Spikformer (Che et al., 2024) can be read in several ways, or differs from its "
        f"published code, {followed} was followed{but}."
    )
    versions = {name: version for name, version in measured.computed_with.items() if name != "threads"}
    own = versions.pop(DISTRIBUTION, None)
    tool = f"aspk ({DISTRIBUTION} {own})" if own else f"aspk ({DISTRIBUTION})"
    yield f"Subnets were measured by {', '.join([tool, *(f'{name} {version}' for name, version in versions.items())])}."


def _facts(
    results: SearchResults, training: Training, trained: Recipe, evaluations: list[Evaluation]
) -> dict[str, bool | int | float | str | None]:
    measured, recipe, origin = results.provenance, results.recipe, training.origin
    hardware = None if recipe.energy.unknown else recipe.energy.hardware
    known = {f"version_{name}": version for name, version in measured.computed_with.items() if name != "threads"}
    return {
        "dataset": recipe.data.dataset,
        "split": measured.split,
        "images": measured.images,
        "split_sha256": measured.split_hash,
        "batchnorm": measured.batchnorm,
        "calibration_images": measured.calibration_images or None,
        "calibration_sha256": measured.calibration_hash or None,
        "weights_sha256": measured.weights_hash,
        "imported_from": origin.file if origin else None,
        "imported_sha256": origin.sha256 if origin else None,
        "training_images": _num_trained(training),
        "epochs": measured.epochs,
        "training_seed": trained.seed,
        "engine": measured.engine,
        "precision": measured.precision,
        "device": measured.device,
        "space_size": recipe.space.search_space().size(),
        "algorithm": str(results.population.state.get("algorithm", recipe.search.algorithm)),
        "search_seed": recipe.seed,
        "candidates": len(results.population.candidates),
        "alpha": recipe.search.alpha,
        "normalise": recipe.search.normalise,
        "energy_profile": recipe.energy.profile_name,
        "energy_source": hardware.source if hardware else None,
        "energy_convention": recipe.energy.convention_name,
        "fidelity": recipe.fidelity,
        "test_evaluations": len(evaluations),
        **known,
    }


def _epochs(number: float) -> str:
    return f"{number:g} epoch{'s' * (number != 1)}"


def _digest(digest: str, of: str = "") -> str:
    """What identifies files or images: the beginning of their hash."""
    return f"first {SHOWN_DIGITS} digits of the SHA-256{of and f' of {of}'}: {digest[:SHOWN_DIGITS]}"
