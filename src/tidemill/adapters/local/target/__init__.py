"""Where models are served on this machine: supervised processes."""
