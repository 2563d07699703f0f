"""MLflow's registry: polled at intervals, at once after its webhooks, written for promotions."""
