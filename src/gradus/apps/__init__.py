"""What people run: the command line and what stands behind it."""
