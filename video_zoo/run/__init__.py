"""What the folder of a run holds, for all who read one."""
