"""Data sets by what they come from: a name, a table, arrays in files, or a folder of images."""
