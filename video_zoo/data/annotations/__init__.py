"""Who is in a dataset: one file a layout; splits and duplicates."""
