"""The arithmetic of layers on arrays, without weights: convolution, pooling, recurrence."""
