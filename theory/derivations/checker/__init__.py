"""The checker of derivations: their parts, the kinds of evidence, runs, reports, and output as LaTeX."""
