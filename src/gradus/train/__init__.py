"""How a network is trained: one compiled program, and its host."""

from gradus.foreign_names.packages import explain_package

explain_package(__name__)
