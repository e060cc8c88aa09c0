"""Files: whole or not at all, on local and remote file systems, with one owner, of one schema."""
