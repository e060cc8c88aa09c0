"""What the commands share: flags, files of settings, help, errors as one line."""
