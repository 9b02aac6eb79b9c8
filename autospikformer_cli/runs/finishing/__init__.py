"""From a finished search to the table of a paper: its networks retrained, each tested once, and compared."""
