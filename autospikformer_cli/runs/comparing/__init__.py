"""Two or more searches under common bounds: each of them, pairs of them, and what stands against comparing them."""
