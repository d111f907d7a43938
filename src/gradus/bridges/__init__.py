"""Models of Keras and PyTorch as models of gradus, and the other way."""
