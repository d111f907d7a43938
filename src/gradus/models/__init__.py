"""The objects that people hold."""

from gradus.foreign_names.packages import explain_package

explain_package(__name__)
