"""The spool: how predictions wait on disk or in S3, and the one transaction that delivers them exactly once.

`frames` is the format on disk, `tuples` a row in it, `delivery` the transaction, `handover` the segments
that a pod left in S3. The inference server appends and delivers; any pod of the resource, or the drift job,
delivers what was handed over.
"""
