"""gradus.diagnosis"""
