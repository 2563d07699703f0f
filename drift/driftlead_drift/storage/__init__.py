"""Where models, baselines and reports lie: MLflow's registry, S3, folders."""
