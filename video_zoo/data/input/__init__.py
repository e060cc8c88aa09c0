"""Shards -> batches of clips."""
