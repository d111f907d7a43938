"""Targets: one, or several columns, with their tasks, and predictions in the targets' units."""

from gradus.data.targets.several_targets import Classes, SeveralTargets
from gradus.data.targets.target import Target, require_target

__all__ = ["Classes", "SeveralTargets", "Target", "require_target"]
