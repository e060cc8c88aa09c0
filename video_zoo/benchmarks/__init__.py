"""Measurements behind the figures of the documentation: ``video-zoo benchmark``."""
