-- Outputs that are copied within a moment: running -> collecting -> completed is walked in one transaction, which is one
-- commit less for every short job. `collecting` is written when the copying takes longer.
CREATE OR REPLACE FUNCTION trigger_check_execution_edge() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (CASE OLD.status
    WHEN 'assigned'   THEN NEW.status IN ('withdrawn', 'submitting')
    WHEN 'submitting' THEN NEW.status IN ('not_accepted', 'queued', 'running', 'collecting', 'failed', 'cancelled', 'lost')
    WHEN 'queued'     THEN NEW.status IN ('running', 'collecting', 'completed', 'failed', 'cancelled', 'lost')
    WHEN 'running'    THEN NEW.status IN ('collecting', 'completed', 'failed', 'cancelled', 'lost')
    WHEN 'collecting' THEN NEW.status IN ('completed', 'failed')
    ELSE false
  END) THEN
    RAISE EXCEPTION 'execution %: no edge from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'executions_edge';
  END IF;
  RETURN NEW;
END;
$$;
