"""Evaluation: what a subnet measures on images, with BatchNorm statistics of its own."""
