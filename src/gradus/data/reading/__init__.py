"""From the bytes of a file to the cells of a table, whatever its format."""
