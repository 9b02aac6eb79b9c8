"""Training: of the supernet by sampled paths, and of one subnet as fine-tuning."""
