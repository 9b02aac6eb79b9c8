"""Evaluation: what a subnet measures on images, with its own BatchNorm statistics."""
