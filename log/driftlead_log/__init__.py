"""The prediction log: schema and migrations, the spool, its delivery to Postgres, partitions."""
