-- What a canary is judged by: requests that were answered, however many rows each carried. The latency vectors count
-- requests too from here on; minutes counted before hold none.
ALTER TABLE drift_hist ADD COLUMN IF NOT EXISTS requests bigint NOT NULL DEFAULT 0;
