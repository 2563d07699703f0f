"""From a model's URI to a model that has answered."""
