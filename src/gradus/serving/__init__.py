"""A run as an HTTP service: rows, batches of waiting requests, endpoints, and their description."""
