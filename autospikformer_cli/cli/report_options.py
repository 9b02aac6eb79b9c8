"""The options of `aspk report`: of its tables, and of its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_figure, complete_search, complete_subnet
from autospikformer_cli.cli.options import SUBNETS

TOP = 10
TopOption = Annotated[
    int | None,
    typer.Option(
        "--top", min=1, help="List at most N of the most accurate subnets (of the best 20 %).", show_default=str(TOP)
    ),
]
AlphaSweepOption = Annotated[
    bool,
    typer.Option(
        "--alpha-sweep",
        help="Show the best subnet for each alpha, 0 to 1, of all that the run's searches measured.",
    ),
]
WatchOption = Annotated[
    bool,
    typer.Option(
        "--watch", help="Show a search while another process runs it, until it ends. --json: a document a change."
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write one page with figures and tables, which a browser shows offline."
    ),
]
FigureOption = Annotated[
    str | None,
    typer.Option("--figure", metavar="NAME", help="Draw a figure into --to FILE.", autocompletion=complete_figure),
]
ToOption = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="The file of --figure (.png, .svg, .pdf), --table or --methods."),
]
FiguresOption = Annotated[
    Path | None,
    typer.Option("--figures", metavar="DIR", help="Draw every figure that the run has the data of, as PDF and PNG."),
]
AgainstOption = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="NAME",
        help="Draw this search, too: front, sizes and so on.",
        autocompletion=complete_search,
    ),
]
IntervalsOption = Annotated[
    bool, typer.Option("--intervals", help="In front: the 95 % intervals of the front's and the baseline's accuracy.")
]
WidthOption = Annotated[
    str | None,
    typer.Option(
        "--width", metavar="WIDTH", help="Of figures: single (85 mm) or double (174 mm).", show_default="single"
    ),
]
RatesOption = Annotated[
    str | None,
    typer.Option(
        "--subnet", help=f"Whose rates to draw: {SUBNETS}", show_default="best", autocompletion=complete_subnet
    ),
]
