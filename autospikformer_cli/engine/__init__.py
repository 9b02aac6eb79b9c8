"""The engines that run subnets. The event-driven one visits spikes instead of multiplying them (docs/engine.md)."""
