-- What the server of an instance has, as its bridge read it last. One row is all that placement needs of an instance;
-- equal digests are equal in everything but instance and time.
CREATE TABLE instance_capabilities (
  instance_id     bigint      PRIMARY KEY REFERENCES comfyui_instances (id) ON DELETE CASCADE,
  digest          text        NOT NULL CHECK (length(digest) = 64),
  comfyui_version text        NOT NULL,
  devices         jsonb       NOT NULL,  -- [{"name", "type", "vram_total" in bytes}, …]
  node_classes    text[]      NOT NULL,
  models          jsonb       NOT NULL,  -- {"inputs": {"Class.input": n, …}, "lists": [[file, …], …]}
  complete        boolean     NOT NULL,  -- false: what is not listed is unknown, not absent
  read_at         timestamptz NOT NULL
);
