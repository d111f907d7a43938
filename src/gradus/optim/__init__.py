"""How weights move: optimizers and learning-rate schedules."""
