"""What others tell of the data, to compare a network with: linear models, neighbors, a normal."""
