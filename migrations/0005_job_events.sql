-- Lifecycle events: durable, numbered. docs/positions.md says how they are read; two rules carry its proof:
--   * the sequence has CACHE 1, so ids are drawn in the order of the draws;
--   * a transaction writes its job row (UPDATE jobs SET event_seq = event_seq + 1, or the INSERT) before it draws an event
--     id, so that it has its transaction id by then.
-- seq is gap-free per job: the job's row lock is held until commit.

CREATE TABLE job_events (
  id           bigint      GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
  job_id       bigint      NOT NULL REFERENCES jobs (id),
  seq          integer     NOT NULL CHECK (seq >= 1),
  user_id      bigint      NOT NULL,
  type         text        NOT NULL CHECK (type IN ('job_submitted', 'job_claimed', 'job_started', 'job_requeued',
                             'job_cancel_requested', 'job_completed', 'job_failed', 'job_cancelled')),
  execution_id bigint,
  data         jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (job_id, seq)
);
CREATE INDEX job_events_user ON job_events (user_id, id);
