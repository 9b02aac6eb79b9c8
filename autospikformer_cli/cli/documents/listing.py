"""Documents of `aspk recipes`, `aspk profiles` and `aspk runs`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, Part, Setting


class RecipeLineDocument(Part):
    """A recipe that comes with aspk."""

    name: str
    """Its name."""
    summary: str
    """What it is."""


class RecipesDocument(Document):
    """The recipes that come with aspk."""

    recipes: list[RecipeLineDocument]
    """By name."""


class RecipeDocument(Document):
    """One recipe, resolved."""

    name: str
    """As it was named."""
    recipe: dict[str, object]
    """Every key."""


class ProfilesDocument(Document):
    """The hardware profiles and the conventions that come with aspk."""

    profiles: list[dict[str, object]]
    """Each profile's keys, figures in its own unit."""
    conventions: list[dict[str, Setting]]
    """Each convention's rules."""


class ProfileDocument(Document):
    """One profile or convention."""

    name: str
    """Its name."""
    kind: str
    """profile or convention."""
    file: dict[str, object]
    """The keys of its file."""


class RunLineDocument(Part):
    """A run."""

    name: str
    """Its folder's name."""
    recipe: str | None
    """The recipe's name; null if it cannot be read."""
    state: str
    """How far it is, in words."""
    date: str
    """When it was last written, ISO 8601."""
    best_top1: float | None
    """The best accuracy measured, in percent; null before a search."""
    split: str | None
    """The split that it was measured on."""
    best_search: str | None
    """The search that has it; null for none."""
    searches: int
    """Number of searches."""
    damaged: list[str]
    """Its files that are damaged, as far as their structure shows."""


class SearchLineDocument(Part):
    """A search of a run."""

    name: str
    """Its name."""
    present: bool
    """Whether commands take it if none is named."""
    state: str
    """How far it is."""
    date: str
    """When its file was written last, ISO 8601."""
    candidates: int
    """Measured subnets."""
    rejected: int | None
    """Those that the search rejects; null if that is not known."""
    best: str | None
    """Id of the candidate that it chose; null for none."""
    chosen_top1: float | None
    """The accuracy of this candidate, in percent."""
    best_top1: float | None
    """The highest accuracy of those that are not rejected, in percent."""
    written_as: str | None
    """Its name before its file was renamed or copied by hand; null if it has its name, or if an older aspk wrote it."""
    split: str | None
    """The split; null for a damaged file, like all that follows."""
    images: int | None
    """Number of its images."""
    batchnorm: str | None
    """model.batchnorm."""
    engine: str | None
    """What ran the subnets."""
    precision: str | None
    """float32 or float64."""
    device: str | None
    """cpu, cuda or cuda:N."""


class UnusableDocument(Part):
    """A file that cannot be used."""

    file: str
    """Its path in the run's folder."""
    what: str
    """Why, in words."""


class SearchesDocument(Document):
    """The searches of a run."""

    run: str
    """The run's folder."""
    searches: list[SearchLineDocument]
    """The searches."""
    unusable: list[UnusableDocument]
    """Damaged files that are none of a search, and files of searches whose names are none of a search."""


class RunsDocument(Document):
    """The runs, newest first."""

    runs: list[RunLineDocument]
    """The runs."""
