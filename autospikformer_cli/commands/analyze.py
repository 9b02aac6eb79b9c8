"""Show how redundant channels are (SSIM), how subnets fire, or whether the supernet ranks its subnets truly."""

from __future__ import annotations

from autospikformer_cli.cli.subcommands import Subcommands
from autospikformer_cli.commands.analyze_channels import channels
from autospikformer_cli.commands.analyze_ranking import ranking
from autospikformer_cli.commands.analyze_spikes import spikes

analyze = Subcommands("channels", {"channels": channels, "ranking": ranking, "spikes": spikes})
