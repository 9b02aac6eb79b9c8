"""Show what blocks and genes give and cost, what is redundant, how subnets fire, or whether the ranking is true."""

from __future__ import annotations

from autospikformer_cli.cli.subcommands import Subcommands
from autospikformer_cli.commands.analyze_blocks import blocks
from autospikformer_cli.commands.analyze_channels import channels
from autospikformer_cli.commands.analyze_genes import genes
from autospikformer_cli.commands.analyze_ranking import ranking
from autospikformer_cli.commands.analyze_spikes import spikes

analyze = Subcommands(
    "channels", {"channels": channels, "blocks": blocks, "genes": genes, "spikes": spikes, "ranking": ranking}
)
