-- Counts per minute of acceptance against the frozen bins of a baseline, written in the transaction of the rows.
-- One row belongs to one spool alone; add them up over pods and minutes. Layout: driftlead_formats.histograms.
CREATE TABLE IF NOT EXISTS drift_hist (
    minute        timestamptz NOT NULL,                   -- its start
    spool_id      uuid NOT NULL,
    model_name    text NOT NULL,
    model_version text NOT NULL,
    deployment    text NOT NULL,
    baseline_sha  text NOT NULL DEFAULT '',               -- of the baseline whose bins these are; '' = no baseline
    cluster       text NOT NULL DEFAULT '',
    namespace     text NOT NULL DEFAULT '',
    resource      text NOT NULL DEFAULT '',
    pod           text NOT NULL DEFAULT '',
    rows          bigint NOT NULL,                        -- predictions (of status 2xx)
    failed_4xx    bigint NOT NULL DEFAULT 0,              -- requests
    failed_5xx    bigint NOT NULL DEFAULT 0,
    features      bytea NOT NULL,                         -- one count vector after another, in the baseline's order
    prediction    bytea NOT NULL,
    latency       bytea NOT NULL,                         -- three vectors of log-spaced bins: 2xx, 4xx, 5xx
    PRIMARY KEY (minute, spool_id, model_version, deployment, baseline_sha)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX IF NOT EXISTS drift_hist_of_resource ON drift_hist (cluster, namespace, resource, minute);
