-- Whether heard_outputs are all outputs of the prompt: its start and its end were heard on one unbroken connection. Only
-- then may they stand for a history that is gone. On executions that are collecting or have completed, true says that
-- they did. Executions from before this column count as heard with gaps.
ALTER TABLE comfyui_executions ADD COLUMN heard_whole boolean NOT NULL DEFAULT false;
