"""One-shot architecture search for spiking vision transformers."""
