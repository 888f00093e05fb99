"""Symbolic tools that several derivations use: matrix words, traces, expectations, layers, explicit matrices."""
