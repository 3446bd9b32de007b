"""Data: images as reproducible views."""
