"""Show what blocks and genes give and cost, how redundant channels are, or whether the supernet ranks truly."""

from __future__ import annotations

from autospikformer_cli.cli.subcommands import Subcommands
from autospikformer_cli.commands.analyze_blocks import blocks
from autospikformer_cli.commands.analyze_channels import channels
from autospikformer_cli.commands.analyze_genes import genes
from autospikformer_cli.commands.analyze_ranking import ranking

analyze = Subcommands("channels", {"channels": channels, "blocks": blocks, "genes": genes, "ranking": ranking})
