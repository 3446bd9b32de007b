"""Losses: a batch and its targets to a loss."""
