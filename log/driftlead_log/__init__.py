"""The prediction log: from a row in a server's spool to a row in Postgres, each exactly once.

The way of a row: `frames` is the format on disk and `row_tuples` a row in it, `delivery` the transaction that
moves a piece of a spool into the database, `segments` what a pod that must go uploads to S3 instead. Beside
it stand the schema (`migrate`, `migrations/`) and the days that it is kept by (`partitions`).
"""
