"""Figures of a run for a paper: `catalogue` names them, `style` is how all pictures look and are saved."""
