"""The preparing process: `startup` runs it as `python -m driftlead_inference.prepare`, nobody imports it."""
