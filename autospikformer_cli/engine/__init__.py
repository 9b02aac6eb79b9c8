"""The event-driven engine: a spiking network run as one, spikes visited instead of multiplied (docs/engine.md)."""
