"""Conventions of counting and hardware profiles: their models, and the TOML files that ship with aspk."""
