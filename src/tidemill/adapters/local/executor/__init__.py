"""What runs steps on this machine: worker processes."""
