"""Benchmarks: each measures something the README states, and writes it to data/reference."""
