-- Until when a job may wait for its start (parameters.limits.wait_secs after its submission); null: for ever. From then on
-- it is not claimed, and the dispatcher fails it as limit_wait.
ALTER TABLE jobs ADD COLUMN wait_until timestamptz;
CREATE INDEX jobs_wait_until ON jobs (wait_until) WHERE status_id = 1 AND claimed_at IS NULL AND wait_until IS NOT NULL;
