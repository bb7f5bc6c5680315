-- What the service may do, table by table; as visard_owner, after every `visard migrate`. Running it again changes
-- nothing. The service can add audit entries and never change or remove one: besides the trigger that refuses it
-- whoever asks, it lacks the right, and it does not own the table, so that it cannot drop the trigger.

-- In one transaction: a service that runs meanwhile is without its rights at no time.
BEGIN;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM visard_service;

GRANT SELECT ON alembic_version TO visard_service;
GRANT SELECT, INSERT ON audit_entries, removed_records TO visard_service;
GRANT SELECT, INSERT, UPDATE ON audit_heads, approvals, tenants, tokens TO visard_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON records, replays, quotas, audit_leases TO visard_service;

COMMIT;
