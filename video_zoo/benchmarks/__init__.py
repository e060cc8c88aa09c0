"""Measurements behind the figures of the documentation: `tools/benchmark.py`."""
