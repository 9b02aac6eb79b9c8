"""Recordings of event cameras: finding them, reading them, cutting them into frames, caching the frames."""
