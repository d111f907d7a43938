"""Trained models in the formats of other programs: ONNX, StableHLO, and a Python script."""
