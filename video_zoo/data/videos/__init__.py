"""A video file -> frames."""
