"""Modules of PyTorch as models of gradus, and the other way."""
