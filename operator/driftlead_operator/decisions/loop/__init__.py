"""The loop beyond serving: drift checks, retraining, promotion, rows that a pod took with it."""
