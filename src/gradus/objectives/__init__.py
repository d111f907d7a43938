"""What is learned and how it is judged: losses, metrics, penalties on weights."""
