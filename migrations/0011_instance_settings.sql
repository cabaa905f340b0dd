-- What operators may change of an instance while it is at work, and how the bridge gets in.
ALTER TABLE comfyui_instances
  ADD COLUMN is_draining     boolean NOT NULL DEFAULT false,  -- no new work; what lives there ends there
  ADD COLUMN behind_proxy    boolean NOT NULL DEFAULT false,  -- a proxy may deliver a POST after its connection is gone
  ADD COLUMN unique_prefix   boolean NOT NULL DEFAULT true,   -- filename_prefix is made unique per execution
  ADD COLUMN shared_instance boolean NOT NULL DEFAULT false,  -- others use it: never an interrupt that may hit theirs
  ADD COLUMN config_version  bigint  NOT NULL DEFAULT 1;      -- raised by every change of an operator

-- Headers sent with every request to an instance: credentials. Read by the bridge that holds the lease, shown to nobody.
CREATE TABLE instance_access (
  instance_id bigint NOT NULL REFERENCES comfyui_instances (id) ON DELETE CASCADE,
  name        text   NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  value       text   NOT NULL CHECK (length(value) <= 8192),
  PRIMARY KEY (instance_id, name)
);
