"""Stored teachers: their sparse logits for every view of some epochs, written once and replayed for any number of students."""
