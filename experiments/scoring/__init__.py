"""Scoring: an architecture to a score."""
