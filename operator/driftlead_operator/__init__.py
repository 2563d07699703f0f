"""The ModelDeployment operator."""
