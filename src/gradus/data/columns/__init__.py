"""One column of a table: what its cells mean, and their values."""
