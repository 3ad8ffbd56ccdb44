"""Readers of weight files, one format a file, each giving raw weights by layer."""
