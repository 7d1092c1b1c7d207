"""What runs inside production processes: smallest imports."""
