"""Benchmarks: each measures something README and docs/results.md state, and writes it to data/reference."""
