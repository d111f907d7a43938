"""Trained networks and their preprocessing as graphs of ONNX."""
