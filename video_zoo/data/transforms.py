"""Pixels as networks take them: where users find it."""

from .input.transforms import normalise as normalise
