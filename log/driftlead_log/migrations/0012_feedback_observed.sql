-- When the label became known, as whoever sent it says; received_at is when it came here.
ALTER TABLE feedback ADD COLUMN IF NOT EXISTS observed_at timestamptz;
