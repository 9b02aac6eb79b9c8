"""Images: sources, splits fixed by a seed, augmentation and order, as functions of (seed, epoch, index)."""
