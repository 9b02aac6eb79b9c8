"""What a trained and searched network tells: redundancy of channels, rank correlation, intervals. Values only."""
