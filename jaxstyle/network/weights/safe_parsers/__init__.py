"""Parsers of containers that strangers may have written: bounded, and nothing is executed."""
