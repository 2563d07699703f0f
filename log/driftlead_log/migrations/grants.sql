-- Run after every migration: roles of these names, where somebody made them, get exactly what they need.
-- The drift job also makes and drops partitions, which only the owner may: GRANT <owner> TO driftlead_drift.
DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'driftlead_serving') THEN
        GRANT INSERT ON inference_logs, inference_logs_rejected TO driftlead_serving;
        GRANT SELECT, INSERT, UPDATE ON log_spools, drift_hist, inference_logs_dropped TO driftlead_serving;
        IF to_regclass('feedback') IS NOT NULL THEN
            GRANT INSERT ON feedback TO driftlead_serving;
        END IF;
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO driftlead_serving', pg_get_serial_sequence('inference_logs', 'id'));
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'driftlead_drift') THEN
        FOREACH name IN ARRAY ARRAY['inference_logs', 'inference_logs_rejected', 'inference_logs_dropped',
                                    'log_spools', 'drift_hist', 'drift_runs', 'drift_baselines', 'feedback'] LOOP
            IF to_regclass(name) IS NOT NULL THEN
                EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO driftlead_drift', name);
            END IF;
        END LOOP;
        IF to_regclass('inference_logs_served') IS NOT NULL THEN
            GRANT SELECT ON inference_logs_served TO driftlead_drift;
        END IF;
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO driftlead_drift', pg_get_serial_sequence('inference_logs', 'id'));
    END IF;
END $$;
