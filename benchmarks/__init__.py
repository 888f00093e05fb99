"""Time and memory of the closed forms compared with what they replace, and of many runs at once: `make bench`."""
