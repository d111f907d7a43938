"""What is learned: from targets, of the input itself, or by a function of the user."""
