"""gradus.report"""
