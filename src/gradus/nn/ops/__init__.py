"""The arithmetic of layers: convolution, pooling and recurrence on arrays, without weights."""
