"""What a row may be: the features a model takes, and the check of what a request sends against them."""
