"""The options of `aspk report`: of tables for a paper, and of the methods section."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_run, complete_table, complete_table_format

TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME",
        help="A table for a paper: table2, table3, table4, table5, front, top or finish.",
        autocompletion=complete_table,
    ),
]
MethodsOption = Annotated[
    bool, typer.Option("--methods", help="How the numbers were measured: a paragraph for a methods section.")
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Of --table and --methods: text, markdown, latex, csv or json.",
        show_default="text, or what the name of --to FILE says",
        autocompletion=complete_table_format,
    ),
]
LiteratureOption = Annotated[
    bool, typer.Option("--literature", help="With --table: the paper's rows alone; no run is needed.")
]
RunsOption = Annotated[
    list[str],
    typer.Option(
        "--run",
        metavar="RUN",
        help="The run: its folder, or its name under runs/. Repeated: the rows of --table table4 or table5.",
        show_default="the last written",
        autocompletion=complete_run,
    ),
]
