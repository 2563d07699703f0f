-- How far each spool has been delivered. The row is locked and moved in the transaction that writes the rows.
CREATE TABLE IF NOT EXISTS log_spools (
    spool_id       uuid PRIMARY KEY,                      -- stands in the spool's folder
    cluster        text NOT NULL DEFAULT '',
    namespace      text NOT NULL DEFAULT '',
    resource       text NOT NULL DEFAULT '',
    pod            text NOT NULL DEFAULT '',
    off            bigint NOT NULL,                       -- everything before this place in the spool is delivered
    seq            bigint NOT NULL DEFAULT 0,             -- last delivered sequence number
    rows_written   bigint NOT NULL DEFAULT 0,
    last_ts        timestamptz,                           -- every row accepted before this time is delivered
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

COMMENT ON TABLE log_spools IS 'driftlead: position of each prediction log spool; docs/reference/prediction-log.md';
