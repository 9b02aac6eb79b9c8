"""Counts of any PyTorch module. The only part of `energy` that imports torch."""
