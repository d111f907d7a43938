"""Counterfactual trainings: what a network learns without a suspected fault, and repair by it."""
