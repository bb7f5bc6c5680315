-- Two roles for Visard's database: one that owns the schema and migrates it, one that the service runs as.
-- Once, as an administrator, connected to that database; then give both a password or a certificate.
-- After it, and again after every `visard migrate` (run as visard_owner): grants.sql.

CREATE ROLE visard_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE ROLE visard_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO visard_owner;
GRANT USAGE ON SCHEMA public TO visard_service;
