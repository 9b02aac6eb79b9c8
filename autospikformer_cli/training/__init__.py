"""Training: the supernet by sampled paths, and the fine-tuning of one subnet."""
