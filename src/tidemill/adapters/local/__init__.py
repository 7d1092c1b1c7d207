"""The embedded default: files, folders and processes of this machine."""
