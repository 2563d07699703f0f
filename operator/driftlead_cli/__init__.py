"""`kubectl driftlead`: look at a ModelDeployment, and ask for what people decide."""
