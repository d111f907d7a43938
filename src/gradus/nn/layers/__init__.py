"""The layers that networks consist of, one family per file."""
