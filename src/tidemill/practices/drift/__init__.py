"""Data and concept drift under one promised rate of false alarms; alerts that stay open."""
