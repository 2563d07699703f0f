-- Which answer a user got, where a server forwards requests to a canary. Defaults touch no row and are those of every
-- request that came directly. `served`: false for the copy of a request that another server answered; NULL where it was
-- forwarded by a server that answers by itself when this answer is bad or late, and marks its own row as `fallback`.
ALTER TABLE inference_logs ADD COLUMN IF NOT EXISTS served boolean DEFAULT true;
ALTER TABLE inference_logs ADD COLUMN IF NOT EXISTS fallback boolean NOT NULL DEFAULT false;

-- The rows of answers that users got, one for each row of a request.
CREATE OR REPLACE VIEW inference_logs_served WITH (security_invoker = true) AS
SELECT l.* FROM inference_logs l
WHERE l.served OR (l.served IS NULL AND NOT EXISTS (
    SELECT FROM inference_logs p
    WHERE p.fallback AND p.request_id = l.request_id AND p."row" = l."row"
        AND p.ts BETWEEN l.ts - interval '15 minutes' AND l.ts + interval '15 minutes'
        AND (p.cluster, p.namespace, p.resource) = (l.cluster, l.namespace, l.resource)
));
