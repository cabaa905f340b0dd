-- Limits of running and of silence (parameters.limits.run_secs, silence_secs). What they count from stands here, so that they
-- go on counting whatever process dies: started_at, and when anything of the prompt was last heard.
ALTER TABLE comfyui_executions ADD COLUMN last_sign_at timestamptz;
-- The limit that has passed, written before the instance is asked to stop the prompt: whoever takes the execution over knows
-- why it was interrupted.
ALTER TABLE comfyui_executions ADD COLUMN limit_passed text CHECK (limit_passed IN ('limit_run', 'limit_silence'));
-- Adoptions in quick succession: an execution whose messages kill its bridge kills each that adopts it.
ALTER TABLE comfyui_executions ADD COLUMN adopted_at timestamptz;
ALTER TABLE comfyui_executions ADD COLUMN adoption_run smallint NOT NULL DEFAULT 0 CHECK (adoption_run >= 0);

-- An instance in quarantine gets no new work until its cause is gone, or an operator releases it.
ALTER TABLE comfyui_instances ADD COLUMN quarantined_at timestamptz;
ALTER TABLE comfyui_instances ADD COLUMN quarantine_reason text
  CHECK (quarantine_reason IN ('worker_dead', 'poisoned_adoption'));
ALTER TABLE comfyui_instances ADD COLUMN quarantined_by bigint REFERENCES comfyui_executions (id);
ALTER TABLE comfyui_instances ADD CONSTRAINT instances_quarantine_whole
  CHECK ((quarantined_at IS NULL) = (quarantine_reason IS NULL) AND (quarantined_at IS NULL) = (quarantined_by IS NULL));
CREATE INDEX comfyui_instances_quarantined_by ON comfyui_instances (quarantined_by) WHERE quarantined_by IS NOT NULL;

-- The circuit breaker (libs/common/domain/circuit.h): faults of the instance itself in a row. Closed while circuit_open_until
-- is null; open before it, then half-open: one execution at a time is let through.
ALTER TABLE comfyui_instances ADD COLUMN circuit_faults integer NOT NULL DEFAULT 0 CHECK (circuit_faults >= 0);
ALTER TABLE comfyui_instances ADD COLUMN circuit_openings integer NOT NULL DEFAULT 0 CHECK (circuit_openings >= 0);
ALTER TABLE comfyui_instances ADD COLUMN circuit_open_until timestamptz;
ALTER TABLE comfyui_instances ADD COLUMN circuit_last_job bigint;  -- whose fault was counted last; no reference: jobs may go
ALTER TABLE comfyui_instances ADD COLUMN circuit_reason text;
-- Raised when an operator resets the circuit: what a bridge had counted before is not written any more.
ALTER TABLE comfyui_instances ADD COLUMN circuit_version integer NOT NULL DEFAULT 0;
