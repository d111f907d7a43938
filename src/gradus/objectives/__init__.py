"""What is learnt and how it is judged: losses, metrics, penalties on weights."""
