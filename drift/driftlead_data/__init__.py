"""What rooms share as data: the log's schema, the baseline and report formats, binning."""
