-- What the drift job said, one row a run: history for persistence and sparklines, and the record behind a verdict.
CREATE TABLE IF NOT EXISTS drift_runs (
    run_id          TEXT PRIMARY KEY,
    recorded_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    cluster         TEXT NOT NULL DEFAULT '',
    namespace       TEXT NOT NULL DEFAULT '',
    resource        TEXT NOT NULL DEFAULT '',
    deployment      TEXT NOT NULL,
    model_name      TEXT NOT NULL,
    model_version   TEXT NOT NULL,
    baseline_sha256 TEXT,
    window_from     TIMESTAMPTZ NOT NULL,
    window_to       TIMESTAMPTZ NOT NULL,
    rows            BIGINT NOT NULL,
    scheduled       BOOLEAN NOT NULL,      -- whether it may count for persistence
    verdict         TEXT NOT NULL,
    exit_code       SMALLINT NOT NULL,
    consecutive     INTEGER NOT NULL,      -- disjoint windows in a row that drifted, this one included
    message         TEXT NOT NULL,
    features        JSONB NOT NULL,        -- per feature: status, psi, corrected psi and what the next run needs of it
    report_uri      TEXT
);
CREATE INDEX IF NOT EXISTS drift_runs_of_version
    ON drift_runs (model_name, model_version, deployment, window_to DESC);

-- A version that came without a baseline gets one from its first full window of traffic; it never changes then.
CREATE TABLE IF NOT EXISTS drift_baselines (
    cluster         TEXT NOT NULL DEFAULT '',
    namespace       TEXT NOT NULL DEFAULT '',
    resource        TEXT NOT NULL DEFAULT '',
    deployment      TEXT NOT NULL,
    model_name      TEXT NOT NULL,
    model_version   TEXT NOT NULL,
    window_from     TIMESTAMPTZ NOT NULL,
    window_to       TIMESTAMPTZ NOT NULL,
    made_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    document        TEXT NOT NULL,         -- the file as it is: its sha256 covers every byte
    PRIMARY KEY (model_name, model_version, cluster, namespace, resource, deployment)
);
