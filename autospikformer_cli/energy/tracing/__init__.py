"""Counts of any PyTorch module. Only this part of `energy` imports torch."""
