"""Models of Keras as models of gradus, and the other way."""
