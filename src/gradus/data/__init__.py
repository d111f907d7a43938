"""gradus.data"""
