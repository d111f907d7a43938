"""How a network is trained: one compiled program, and its host."""
