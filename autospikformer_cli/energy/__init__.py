"""Energy: the cost of each operation, by convention and hardware profile."""
