"""What answers a batch: an estimator that MLflow loaded, or ONNX Runtime."""
