"""How figures look, and charts of plain numbers."""
