"""An executor for aspk: subnets measured by Ray."""
