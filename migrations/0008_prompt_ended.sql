-- When the prompt ended by the ComfyUI server's own clock, in ms since 1970, as its history or its messages said: an output
-- file that was last written after this is another prompt's. Null: the server did not say. Compared with times of that
-- server only, never with ours.
ALTER TABLE comfyui_executions ADD COLUMN prompt_ended_ms bigint;
