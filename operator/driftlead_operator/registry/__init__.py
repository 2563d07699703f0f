"""MLflow's registry: asked at intervals, hurried by its webhooks, told of promotions."""
