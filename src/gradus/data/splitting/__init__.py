"""Splits into parts: at random, stratified, by groups of rows, or by time."""
