"""Videos -> shards: plan, workers, shards, and how it all ends."""
