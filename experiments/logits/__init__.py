"""Stored teachers: sparse logits for every view of some epochs, written once and read by any number of students."""
