"""Show how redundant channels are, what each gene does, or whether the supernet ranks its subnets truly."""

from __future__ import annotations

from autospikformer_cli.cli.subcommands import Subcommands
from autospikformer_cli.commands.analyze_channels import channels
from autospikformer_cli.commands.analyze_genes import genes
from autospikformer_cli.commands.analyze_ranking import ranking

analyze = Subcommands("channels", {"channels": channels, "genes": genes, "ranking": ranking})
