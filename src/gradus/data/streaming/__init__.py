"""Data that come in batches: from generators, loaders, and data sets of items."""
