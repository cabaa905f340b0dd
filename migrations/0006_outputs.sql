-- What jobs made: files in the artifact store, named by the SHA-256 of their content.

-- A reference is INSERT … ON CONFLICT DO UPDATE SET last_ref_at … WHERE state = 'live'; no row back means that a sweeper is
-- deleting the file: it must be written again. A sweeper moves live -> deleting only without references and a day after
-- last_ref_at.
CREATE TABLE blobs (
  sha256      text        PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes  bigint      NOT NULL CHECK (size_bytes >= 0),
  state       text        NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'deleting')),
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_ref_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE job_outputs (
  job_id       bigint      NOT NULL REFERENCES jobs (id),
  n            integer     NOT NULL CHECK (n >= 0),     -- in the order of nodes and files
  execution_id bigint      NOT NULL REFERENCES comfyui_executions (id),
  node_id      text        NOT NULL,
  kind         text        NOT NULL,                    -- images, gifs, audio, …
  filename     text        NOT NULL,
  content_type text        NOT NULL,
  size_bytes   bigint      NOT NULL CHECK (size_bytes >= 0),
  sha256       text        NOT NULL REFERENCES blobs (sha256),
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job_id, n),
  UNIQUE (execution_id, n)
);
CREATE INDEX job_outputs_blob ON job_outputs (sha256);
