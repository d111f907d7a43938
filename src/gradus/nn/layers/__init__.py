"""The layers that networks are made of, one family a file."""
