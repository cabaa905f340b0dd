-- Prompts of dead executions that may yet surface: one that was counted absent on strong evidence, or that nobody can know of.
-- Whoever drives the instance watches for them until stray_seen_at is set.
CREATE INDEX executions_may_surface ON comfyui_executions (instance_id, id)
  WHERE status IN ('not_accepted', 'lost') AND outcome_proof IN ('absent_strong', 'unclear') AND stray_seen_at IS NULL;
