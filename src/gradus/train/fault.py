def locate(*a): return "x"
