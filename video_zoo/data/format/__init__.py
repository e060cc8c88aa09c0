"""What lies on disk: examples, shards, manifests and lists. Imports no neighbour."""
