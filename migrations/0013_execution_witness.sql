-- A prompt that was in the instance's history before this one was sent: while it still is, the server has not been
-- restarted since. The instance's own witness is no proof: it may have been seen after a restart in between.
ALTER TABLE comfyui_executions ADD COLUMN witness_prompt_id text;
