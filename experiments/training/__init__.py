"""Training: a job to a trained network."""
