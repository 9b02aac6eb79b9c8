"""Recordings of event cameras: where they lie, how they are read, cut into frames, and kept as frames."""
