"""One module a subcommand: load, compute, show."""
