-- What operators did by hand: who, when, why. Rows are never changed. No references: the record outlives what it is about.
CREATE TABLE operator_actions (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  who          text        NOT NULL CHECK (length(who) BETWEEN 1 AND 255),
  why          text        NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
  action       text        NOT NULL CHECK (action IN ('note', 'give_up', 'free_slot')),
  job_id       bigint,
  execution_id bigint,
  instance_id  bigint,
  slot_no      smallint,
  data         jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
  CONSTRAINT operator_actions_note CHECK (action <> 'note' OR (job_id IS NOT NULL AND jsonb_typeof(data->'ran') = 'boolean')),
  CONSTRAINT operator_actions_give_up CHECK (action <> 'give_up' OR (job_id IS NOT NULL AND execution_id IS NOT NULL)),
  CONSTRAINT operator_actions_free_slot CHECK (action <> 'free_slot' OR (instance_id IS NOT NULL AND slot_no IS NOT NULL))
);
CREATE INDEX operator_actions_job ON operator_actions (job_id, id) WHERE job_id IS NOT NULL;

-- Given up by an operator while its prompt may have been at the instance. Until stray_seen_at is set, whichever bridge
-- drives the instance looks after that prompt.
ALTER TABLE comfyui_executions ADD COLUMN given_up_at timestamptz;
CREATE INDEX executions_given_up ON comfyui_executions (instance_id, id)
  WHERE given_up_at IS NOT NULL AND stray_seen_at IS NULL;
