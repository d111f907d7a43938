"""gradus.train"""
