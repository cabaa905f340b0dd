-- What a bridge tells people of an execution that goes on, beside its progress.
ALTER TABLE comfyui_executions ADD COLUMN progress_message text;     -- why it does not come to its end
ALTER TABLE comfyui_executions ADD COLUMN silent_since timestamptz;  -- it runs, and nothing has been heard of it since
-- It goes on all the same: [{"code", "message", "node_id", "node_class"}, …].
ALTER TABLE comfyui_executions ADD COLUMN warnings jsonb CHECK (jsonb_typeof(warnings) = 'array');
