"""A run in its folder: what trains, searches, prices and evaluates there, from recipe and stores."""
