"""What a network is: layers, activations, initialisers."""
