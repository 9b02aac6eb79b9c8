"""The documents of --json: every field of every command, with its type and its meaning. docs/json.md is made of it.

from autospikformer_cli.cli.documents import SearchDocument

found = SearchDocument.model_validate_json(text)
"""

from __future__ import annotations

from autospikformer_cli.cli.documents.analysis import BlocksDocument, ChannelsDocument, GenesDocument, SpikesDocument
from autospikformer_cli.cli.documents.comparing import CompareDocument
from autospikformer_cli.cli.documents.energy import EnergyDocument, ModuleEnergyDocument
from autospikformer_cli.cli.documents.evaluating import EvaluateDocument
from autospikformer_cli.cli.documents.exchange import ExportDocument, ImportDocument
from autospikformer_cli.cli.documents.finishing import FinishDocument, FinishPlanDocument
from autospikformer_cli.cli.documents.listing import (
    ProfileDocument,
    ProfilesDocument,
    RecipeDocument,
    RecipesDocument,
    RunsDocument,
    SearchesDocument,
)
from autospikformer_cli.cli.documents.parts import Document, ErrorDocument, Part
from autospikformer_cli.cli.documents.ranking import RankingDocument, RankingPlanDocument
from autospikformer_cli.cli.documents.reports import FiguresDocument, MethodsDocument, PageDocument, TableDocument
from autospikformer_cli.cli.documents.searching import (
    AlphaSweepDocument,
    SearchDocument,
    SearchPlanDocument,
    WatchDocument,
)
from autospikformer_cli.cli.documents.training import TrainDocument, TrainPlanDocument

__all__ = [
    "DOCUMENTS",
    "AlphaSweepDocument",
    "BlocksDocument",
    "ChannelsDocument",
    "CompareDocument",
    "Document",
    "EnergyDocument",
    "ErrorDocument",
    "EvaluateDocument",
    "ExportDocument",
    "FiguresDocument",
    "FinishDocument",
    "FinishPlanDocument",
    "GenesDocument",
    "ImportDocument",
    "MethodsDocument",
    "ModuleEnergyDocument",
    "PageDocument",
    "Part",
    "ProfileDocument",
    "ProfilesDocument",
    "RankingDocument",
    "RankingPlanDocument",
    "RecipeDocument",
    "RecipesDocument",
    "RunsDocument",
    "SearchDocument",
    "SearchPlanDocument",
    "SearchesDocument",
    "SpikesDocument",
    "TableDocument",
    "TrainDocument",
    "TrainPlanDocument",
    "WatchDocument",
]

DOCUMENTS: dict[str, type[Document]] = {
    "train": TrainDocument,
    "train --dry-run": TrainPlanDocument,
    "search": SearchDocument,
    "search --seeds": CompareDocument,
    "search --dry-run": SearchPlanDocument,
    "evaluate": EvaluateDocument,
    "finish": FinishDocument,
    "finish --dry-run": FinishPlanDocument,
    "energy": EnergyDocument,
    "energy module": ModuleEnergyDocument,
    "analyze": ChannelsDocument,
    "analyze blocks": BlocksDocument,
    "analyze genes": GenesDocument,
    "analyze ranking": RankingDocument,
    "analyze ranking --dry-run": RankingPlanDocument,
    "analyze spikes": SpikesDocument,
    "report": SearchDocument,
    "report --watch": WatchDocument,
    "report --alpha-sweep": AlphaSweepDocument,
    "report --table": TableDocument,
    "report --methods": MethodsDocument,
    "report --figure": FiguresDocument,
    "report --html": PageDocument,
    "compare": CompareDocument,
    "import": ImportDocument,
    "export": ExportDocument,
    "recipes": RecipesDocument,
    "recipes show": RecipeDocument,
    "profiles": ProfilesDocument,
    "profiles show": ProfileDocument,
    "runs": RunsDocument,
    "runs show": SearchesDocument,
}
"""The document of each command."""
