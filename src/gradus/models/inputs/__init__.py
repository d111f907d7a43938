"""What is passed to `fit`, `evaluate`, and `predict`: data, settings, and callbacks, checked."""
