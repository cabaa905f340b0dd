-- Which lock on its --bridge-id the holder of a lease had when it took it ('' = none): whoever holds that same lock later knows
-- that the holder of then is dead.
ALTER TABLE instance_leases ADD COLUMN lock text NOT NULL DEFAULT '';
ALTER TABLE instance_leases ADD COLUMN previous_lock text NOT NULL DEFAULT '';  -- of the epoch before
