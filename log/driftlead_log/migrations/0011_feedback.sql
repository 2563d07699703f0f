-- Labels that come later, by the request they belong to: POST /feedback of the inference service, or any INSERT.
CREATE TABLE IF NOT EXISTS feedback (
    request_id  TEXT NOT NULL,
    "row"       INTEGER NOT NULL DEFAULT 0,          -- place of the row in its request
    label       DOUBLE PRECISION,                    -- what was true, as the column prediction says it
    label_text  TEXT,                                -- the same where classes are text, as prediction_label says it
    received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (request_id, "row"),
    CHECK (label IS NOT NULL OR label_text IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS feedback_received_at ON feedback USING brin (received_at);
