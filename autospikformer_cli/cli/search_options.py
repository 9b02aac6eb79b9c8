"""Options of `aspk search`, some of which `aspk finish` has, too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.bounds import MOST_SEEDS, MOST_WORKERS
from autospikformer_cli.cli.completion import complete_algorithm, complete_executor, complete_search

AlgorithmOption = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        help="evolution, random, nsga2, predictor, exhaustive, or a plugin's (search.algorithm).",
        autocompletion=complete_algorithm,
    ),
]
MaxParamsOption = Annotated[
    str | None,
    typer.Option("--max-params", metavar="N", help="Limit on parameters, such as 50k (search.limits.params)."),
]
MaxEnergyOption = Annotated[
    str | None,
    typer.Option("--max-energy", metavar="J", help="Limit on energy an image, such as 1uJ (search.limits.energy)."),
]
MaxSopsOption = Annotated[
    str | None,
    typer.Option("--max-sops", metavar="N", help="Limit on SOPs an image, such as 2M (search.limits.sops)."),
]
MaxTimeStepOption = Annotated[
    int | None, typer.Option("--max-time-step", help="Limit on time steps (search.limits.time_step).")
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Who measures subnets: in-process, processes, or ray (plugin aspk-ray).",
        autocompletion=complete_executor,
    ),
]
TaskExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="Who trains networks: in-process, processes, or ray (plugin aspk-ray).",
        show_default="processes, where several work at once",
        autocompletion=complete_executor,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, max=MOST_WORKERS, help="Number of processes, with --executor.")
]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="A cluster's address, with --executor ray: auto, or HOST:PORT.")
]
FrontOption = Annotated[
    Path | None,
    typer.Option(
        "--front",
        metavar="FILE",
        help="Draw the Pareto front into FILE (.png, .svg, .pdf) when the search ends.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The search's name, for --search NAME.",
        show_default="made from its keys",
        autocompletion=complete_search,
    ),
]
FreshSearchOption = Annotated[
    bool, typer.Option("--fresh", help="Search and measure from the start; the old search is kept.")
]
RecountOption = Annotated[
    bool, typer.Option("--recount", help="Measure again what an older aspk stored with fewer counts; search nothing.")
]
SeedsOption = Annotated[
    int,
    typer.Option(
        "--seeds",
        metavar="N",
        min=1,
        max=MOST_SEEDS,
        help="Search with N seeds, from the recipe's seed on, and compare them.",
    ),
]
AlphasOption = Annotated[
    list[float],
    typer.Option(
        "--alpha",
        help="Weight of energy in the fitness, 0 to 1 (search.alpha); given again, a search for each.",
        show_default=False,
    ),
]
