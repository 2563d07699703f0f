"""The SQL of a delivery."""

from typing import Final

# Set in each transaction, not in the session: behind a transaction pooler the session goes on to another
# client. The first and the keepalives free the lock of a predecessor whose machine vanished.
BEGIN: Final = """
BEGIN;
SET LOCAL idle_in_transaction_session_timeout = '30s';
SET LOCAL tcp_keepalives_idle = 10; SET LOCAL tcp_keepalives_interval = 5; SET LOCAL tcp_keepalives_count = 3;
SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'
"""
REGISTER: Final = """
INSERT INTO log_spools (spool_id, cluster, namespace, resource, pod, off, seq)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (spool_id) DO NOTHING
"""
POSITION: Final = "SELECT off, seq FROM log_spools WHERE spool_id = $1"
LOCK: Final = f"{POSITION} FOR UPDATE"
MOVE: Final = """
UPDATE log_spools SET off = $3, seq = $4, rows_written = rows_written + $5, updated_at = now(),
    last_ts = greatest(last_ts, $6)
WHERE spool_id = $1 AND off = $2
"""
REJECT: Final = """
INSERT INTO inference_logs_rejected (spool_id, seq, model_name, model_version, deployment, cluster, namespace,
    resource, pod, sqlstate, message, record)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
DROPPED: Final = """
INSERT INTO inference_logs_dropped AS d (spool_id, first_seq, last_seq, rows_dropped, bytes, reason, since,
    until, cluster, namespace, resource, pod)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (spool_id, first_seq, reason) DO UPDATE SET last_seq = greatest(d.last_seq, excluded.last_seq),
    rows_dropped = greatest(d.rows_dropped, excluded.rows_dropped), bytes = d.bytes + excluded.bytes,
    until = excluded.until
"""
KNOWN: Final = """
SELECT coalesce(sum(least(rows_dropped, least(last_seq, $3) - greatest(first_seq, $2) + 1)), 0)
FROM inference_logs_dropped
WHERE spool_id = $1 AND first_seq <= $3 AND last_seq >= $2
"""
HISTOGRAM: Final = """
SELECT rows, requests, failed_4xx, failed_5xx, features, prediction, latency FROM drift_hist
WHERE minute = $1 AND spool_id = $2 AND model_version = $3 AND deployment = $4 AND baseline_sha = $5
"""
COUNT: Final = """
INSERT INTO drift_hist (minute, spool_id, model_version, deployment, baseline_sha, model_name, cluster,
    namespace, resource, pod, rows, requests, failed_4xx, failed_5xx, features, prediction, latency)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (minute, spool_id, model_version, deployment, baseline_sha) DO UPDATE SET rows = excluded.rows,
    requests = excluded.requests, failed_4xx = excluded.failed_4xx, failed_5xx = excluded.failed_5xx,
    features = excluded.features, prediction = excluded.prediction, latency = excluded.latency
"""
