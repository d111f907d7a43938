"""gradus.optim"""
