"""How a search's numbers were measured: a paragraph for the methods section of a paper, made of what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.report.provenance import changed_rules
from autospikformer_cli.report.table_formats import latex_text, markdown_text
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.store.evaluations import Evaluation, load_evaluations
from autospikformer_cli.store.supernet import Training, read_training
from autospikformer_cli.wording import counted

METHODS_FORMATS = ("text", "markdown", "latex", "json")
SHOWN_DIGITS = 16
"""Hexadecimal digits of a hash that are printed; JSON has all."""
_ENGINES = {"event_driven": "event by event, with exact counts of synaptic events", "dense": "densely, in torch"}
_SAMPLINGS = {
    "single": "Each step trained one subnet, drawn uniformly from the search space.",
    "sandwich": "Each step trained the largest subnet, the smallest, and others that were drawn uniformly.",
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
    sentences = (
        *_on_training(results, training, trained),
        *_on_the_search(results),
        *_on_measuring(results),
        *_on_energy(results.recipe),
        *_on_tests(evaluations),
        *_on_software(results.provenance, results.recipe),
    )
    facts = _facts(results, training, trained, evaluations)
    return Methods(str(results.path), results.population.name, sentences, facts)


def _on_training(results: SearchResults, training: Training, trained: Recipe) -> Iterator[str]:
    dataset, known = trained.data.dataset, f"SHA-256 {_short(results.provenance.weights_hash)}"
    if training.origin is not None:
        origin = training.origin
        yield f"The supernet for {dataset} was imported from {origin.file} (SHA-256 {_short(origin.sha256)})."
        return
    train, environment = trained.train, training.environment
    few = trained.data.train_images
    on = f"{few:,} training images of {dataset}" if few else f"the training images of {dataset}"
    share = f", {100 * trained.data.validation:g} % of them held out for validation" if trained.data.validation else ""
    begun = "" if training.state.finished else f" of {train.total_epochs}, which have not ended,"
    yield (
        f"One supernet was trained on {on}{share}, for {counted(training.state.epoch, 'epoch')}{begun} with AdamW: "
        f"batches of {counted(train.batch, 'image')}, learning rate {train.lr:g} after {_epochs(train.warmup_epochs)} "
        f"of warm-up, weight decay {train.weight_decay:g}, label smoothing {train.label_smoothing:g}, "
        f"mixup {train.mixup:g}, augmentation {trained.data.augment}."
    )
    yield _SAMPLINGS[train.sampling]
    yield (
        f"It was trained with seed {trained.seed}, in {environment.get('precision', 'float32')} on "
        f"{environment.get('device', 'cpu')}; its weights have {known}."
    )


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
    if results.limits:
        yield f"Subnets had to keep to {', '.join(results.limits)}."
    yield (
        f"Subnets are ranked by F_AEB = {search.alpha:g} (1 - E) + {1 - search.alpha:g} A, with energy E and "
        f"accuracy A min-max scaled ({search.normalise})."
    )


def _on_measuring(results: SearchResults) -> Iterator[str]:
    measured = results.provenance
    if results.events:
        yield f"Recordings of events became {results.events}."
    yield (
        f"Each subnet inherited its weights from the supernet and was not retrained; its accuracy is top-1 on "
        f"{measured.images:,} {measured.split} images (SHA-256 {_short(measured.split_hash)}), with Wilson's 95 % "
        f"interval."
    )
    yield from (f"{note.removeprefix('! ').capitalize()}." for note in selection_notes(measured.split))
    if measured.batchnorm == "recalibrate":
        yield (
            f"Statistics of BatchNorm were measured anew for each subnet, on {measured.calibration_images:,} training "
            f"images without augmentation (SHA-256 {_short(measured.calibration_hash)})."
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
    mac = "no figure" if hardware.mac is None else f"{hardware.mac:g} {hardware.unit}"
    update = f", {hardware.neuron_update:g} {hardware.unit} an update of a neuron" if hardware.neuron_update else ""
    memory = ", and what moving bits costs" if hardware.memory else ""
    named = f"the convention {energy.named_convention.name} ({energy.named_convention.about})"
    but = f" with {', '.join(changed)}" if changed else ""
    yield f"Energies are those of one image, from the counted operations under {named}{but}."
    yield (
        f"They are priced by the hardware profile {hardware.name} ({hardware.title}; {hardware.process}): {mac} a "
        f"multiply-accumulate, {hardware.ac:g} {hardware.unit} an accumulate{update}{memory}."
    )
    yield f"Source of these figures: {' '.join(hardware.source.split()).rstrip('.')}."


def _on_tests(evaluations: list[Evaluation]) -> Iterator[str]:
    groups: dict[tuple[int, str], int] = {}
    for each in evaluations:
        measured = (each.provenance.images, each.provenance.split_hash)
        groups[measured] = groups.get(measured, 0) + 1
    for (images, digest), num in groups.items():
        yield (
            f"{counted(num, 'evaluation')} of single subnets used {counted(images, 'test image')} "
            f"(SHA-256 {_short(digest)})."
        )


def _on_software(measured: Provenance, recipe: Recipe) -> Iterator[str]:
    switches = recipe.switches()
    but = f", with {', '.join(switches)}" if switches else ""
    yield f"Where the paper of Auto-Spikformer can be read in several ways, fidelity {recipe.fidelity} decides{but}."
    versions = [f"{name} {version}" for name, version in measured.computed_with.items() if name != "threads"]
    if versions:
        yield f"Subnets were measured with {', '.join(versions)}."


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
        "epochs": training.state.epoch,
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


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGITS]
