"""How fast and how large: the closed forms beside what they replace, and many runs at once. `make bench` runs them."""
