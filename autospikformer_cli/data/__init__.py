"""Images: sources, splits fixed by seed, augmentation and order, as functions of (seed, epoch, index)."""
