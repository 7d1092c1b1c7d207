"""Places: one folder each, with the file names of `ports/`."""
