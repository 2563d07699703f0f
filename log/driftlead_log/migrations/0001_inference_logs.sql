-- The prediction log: the seed's table, more columns, partitioned by the database's clock.
-- A plain `inference_logs` that exists is adopted: it becomes the partition of everything before today.

CREATE FUNCTION pg_temp.adopt() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    old CONSTANT regclass := 'inference_logs'::regclass;
    midnight CONSTANT timestamptz := date_trunc('day', now(), 'UTC');
    wrong text;
    sequence text;
    views text[];
    grants text[];
    statement text;
BEGIN
    LOCK TABLE inference_logs IN ACCESS EXCLUSIVE MODE;

    SELECT string_agg(format('%s is %s, not %s', want.name, coalesce(format_type(a.atttypid, NULL), 'missing'), want.type), '; ')
    INTO wrong
    FROM (VALUES ('id', 'bigint'), ('ts', 'timestamp with time zone'), ('model_name', 'text'),
                 ('model_version', 'text'), ('latency_ms', 'double precision'), ('features', 'jsonb'),
                 ('prediction', 'double precision'), ('deployment', 'text')) AS want (name, type)
    LEFT JOIN pg_attribute a ON a.attrelid = old AND a.attname = want.name AND NOT a.attisdropped
    WHERE a.atttypid IS NULL OR format_type(a.atttypid, NULL) <> want.type;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the table inference_logs cannot be adopted: %. Change these columns, or rename the table, and migrate again', wrong;
    END IF;
    SELECT string_agg(c.relname, ', ') INTO wrong
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = old AND c.relkind = 'm';
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'materialized views read inference_logs: %. Drop them, migrate, and create them again', wrong;
    END IF;

    -- What other people hung on the table, before its name goes to the new parent.
    SELECT array_agg(DISTINCT format('CREATE OR REPLACE VIEW %s AS %s', c.oid::regclass, pg_get_viewdef(c.oid)))
    INTO views
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = old AND c.relkind = 'v';
    SELECT array_agg(format('GRANT %s ON inference_logs TO %s', x.privilege_type,
                            CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END))
    INTO grants
    FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = old AND x.grantee <> c.relowner;

    ALTER TABLE inference_logs
        ADD COLUMN IF NOT EXISTS cluster text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS namespace text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS resource text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS pod text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS seq bigint,
        ADD COLUMN IF NOT EXISTS request_id text,
        ADD COLUMN IF NOT EXISTS "row" integer,
        ADD COLUMN IF NOT EXISTS features_f32 bytea,
        ADD COLUMN IF NOT EXISTS prediction_label text,
        ADD COLUMN IF NOT EXISTS outputs jsonb;
    -- A constant default touches no row. Old rows lie at the end of yesterday, so that today begins at midnight.
    EXECUTE format('ALTER TABLE inference_logs ADD COLUMN IF NOT EXISTS logged_at timestamptz NOT NULL DEFAULT %L',
                   midnight - interval '1 microsecond');
    ALTER TABLE inference_logs ALTER COLUMN logged_at SET DEFAULT now();

    SELECT pg_get_serial_sequence('inference_logs', 'id') INTO sequence;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = old AND attname = 'id' AND attidentity <> '') THEN
        ALTER TABLE inference_logs ALTER COLUMN id DROP IDENTITY;
        sequence := NULL;
    END IF;
    IF sequence IS NULL THEN
        CREATE SEQUENCE inference_logs_ids;
        PERFORM setval('inference_logs_ids', coalesce((SELECT max(id) FROM inference_logs), 0) + 1, false);
        sequence := 'inference_logs_ids';
    END IF;

    -- The key becomes (id, logged_at). An index of that name, built beforehand with CONCURRENTLY, saves the wait.
    FOR statement IN
        SELECT format('ALTER TABLE inference_logs DROP CONSTRAINT %I', conname)
        FROM pg_constraint WHERE conrelid = old AND contype = 'p'
    LOOP
        EXECUTE statement;
    END LOOP;
    IF to_regclass('inference_logs_seed_key') IS NULL THEN
        CREATE UNIQUE INDEX inference_logs_seed_key ON inference_logs (id, logged_at);
    END IF;
    ALTER TABLE inference_logs ADD CONSTRAINT inference_logs_seed_key PRIMARY KEY USING INDEX inference_logs_seed_key;
    ALTER TABLE inference_logs RENAME TO inference_logs_seed;

    CREATE TABLE inference_logs (LIKE inference_logs_seed INCLUDING DEFAULTS) PARTITION BY RANGE (logged_at);
    EXECUTE format('ALTER TABLE inference_logs ALTER COLUMN id SET DEFAULT nextval(%L)', sequence);
    EXECUTE format('ALTER SEQUENCE %s OWNED BY inference_logs.id', sequence);
    ALTER TABLE inference_logs ADD CONSTRAINT inference_logs_key PRIMARY KEY (id, logged_at);
    EXECUTE format('ALTER TABLE inference_logs ATTACH PARTITION inference_logs_seed FOR VALUES FROM (MINVALUE) TO (%L)',
                   midnight);

    FOREACH statement IN ARRAY coalesce(grants, '{}') || coalesce(views, '{}') LOOP
        EXECUTE statement;
    END LOOP;
END $$;

DO $$
DECLARE
    kind "char" := (SELECT relkind FROM pg_class WHERE oid = to_regclass('inference_logs'));
    day timestamptz := date_trunc('day', now(), 'UTC');
BEGIN
    IF kind = 'r' THEN
        PERFORM pg_temp.adopt();
    ELSIF kind IS NULL THEN
        CREATE SEQUENCE inference_logs_id_seq;
        CREATE TABLE inference_logs (
            id               bigint NOT NULL DEFAULT nextval('inference_logs_id_seq'),
            ts               timestamptz DEFAULT now(),             -- when the request was accepted
            model_name       text NOT NULL,
            model_version    text NOT NULL,
            latency_ms       double precision NOT NULL,             -- from parsed to predicted
            features         jsonb NOT NULL,                        -- in the signature's order, null = missing
            prediction       double precision NOT NULL,
            deployment       text NOT NULL,                         -- prod, canary
            cluster          text NOT NULL DEFAULT '',
            namespace        text NOT NULL DEFAULT '',
            resource         text NOT NULL DEFAULT '',              -- name of the ModelDeployment
            pod              text NOT NULL DEFAULT '',
            seq              bigint,                                -- counts the rows of one pod
            request_id       text,                                  -- what X-Request-ID said
            "row"            integer,                               -- place of the row in its request
            features_f32     bytea,                                 -- the same features: float32, little-endian, NaN = missing
            prediction_label text,                                  -- the class, where classes are text
            outputs          jsonb,                                 -- the other outputs of a model with several
            logged_at        timestamptz NOT NULL DEFAULT now(),    -- when it reached the database
            CONSTRAINT inference_logs_key PRIMARY KEY (id, logged_at)
        ) PARTITION BY RANGE (logged_at);
        ALTER SEQUENCE inference_logs_id_seq OWNED BY inference_logs.id;
    ELSIF kind <> 'p' THEN
        RAISE EXCEPTION 'inference_logs exists, and is neither a table nor partitioned (relkind %): rename it and migrate again', kind;
    END IF;

    -- A block range index costs some kilobytes a day; both times rise with the table.
    CREATE INDEX IF NOT EXISTS inference_logs_ts ON inference_logs USING brin (ts) WITH (pages_per_range = 32);
    CREATE INDEX IF NOT EXISTS inference_logs_logged_at ON inference_logs USING brin (logged_at) WITH (pages_per_range = 32);

    CREATE TABLE IF NOT EXISTS inference_logs_default PARTITION OF inference_logs DEFAULT;
    FOR ahead IN 0..14 LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF inference_logs FOR VALUES FROM (%L) TO (%L)',
                       'inference_logs_p' || to_char((day + ahead * interval '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD'),
                       day + ahead * interval '1 day', day + (ahead + 1) * interval '1 day');
    END LOOP;
END $$;

DROP FUNCTION pg_temp.adopt();

COMMENT ON TABLE inference_logs IS 'driftlead: one row a prediction; docs/reference/prediction-log.md';
