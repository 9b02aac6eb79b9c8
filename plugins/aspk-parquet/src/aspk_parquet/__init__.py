"""A command for aspk: a run's candidates as a Parquet file."""
