"""A folder of shards, looked at."""
