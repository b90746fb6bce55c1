"""Exact references for the paths."""
