"""Validation: contracts, and what data says to them."""
