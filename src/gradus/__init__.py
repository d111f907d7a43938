"""gradus: train neural networks a whole experiment at a time."""
