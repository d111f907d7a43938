"""Members: the trainings of a trial, one for each seed and fold."""
