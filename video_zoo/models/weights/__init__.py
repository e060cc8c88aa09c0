"""Weights: which there are, from where, in which format, and into which network."""
