"""The Python API: operations as typed methods of an open project."""
