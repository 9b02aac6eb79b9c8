"""A plugin of aspk: the command that writes a run's candidates as a Parquet file."""
