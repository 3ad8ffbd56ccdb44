"""Procedural pictures for the examples folder, one module a picture."""
