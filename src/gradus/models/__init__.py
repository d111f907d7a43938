"""gradus.models"""
