"""Analysis of a trained and searched network: redundancy of channels, rank correlation, intervals. Values only."""
