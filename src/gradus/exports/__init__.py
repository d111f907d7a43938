"""Trained models in the formats of other programs: ONNX, StableHLO, Keras, and a Python script."""
