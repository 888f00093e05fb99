"""Measurements of real language models: readers of result files, published tables, statistics and answers."""
