"""A run on several devices and machines."""
