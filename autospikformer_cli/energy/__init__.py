"""Energy: what each layer costs, by convention and hardware profile."""
