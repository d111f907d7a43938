"""gradus.nn"""
