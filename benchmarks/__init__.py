"""Benchmarks: speed, memory and accuracy of the closed forms, and the speed of many runs, of sweeps and of the page."""
