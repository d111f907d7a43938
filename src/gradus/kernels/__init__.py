"""Native kernels of the training step; see README.md."""
