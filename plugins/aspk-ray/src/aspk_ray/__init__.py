"""A plugin of aspk: the executor that measures subnets with Ray."""
