"""Published checkpoints: reading their files, naming their tensors, fitting them into a network."""
