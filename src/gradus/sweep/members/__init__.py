"""Members: the trainings that a trial consists of, one for each seed and fold."""
