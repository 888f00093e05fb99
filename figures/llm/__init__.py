"""Measurements of real language models: published tables, read into Responses."""
