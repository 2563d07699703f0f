"""A canary that meets real traffic and cannot hurt: the server asks it for a share of the predictions.

`split` says which requests, `breaker` when to stop, `deadline` how long an answer is waited for (all pure);
`client` asks over kept connections, `file` follows `traffic.json`, `forwarder` puts them together.
"""
