"""placeholder"""
def locate(*a): return "diverged"
