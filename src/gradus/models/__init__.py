"""The objects that people hold."""
