"""gradus.apps"""
