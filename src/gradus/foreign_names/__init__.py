"""Names of Keras, PyTorch, and scikit-learn: what to write here, said where they were written."""
