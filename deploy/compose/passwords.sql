-- Give the roles of roles.sql their passwords, at the first start of the database's container.
-- psql reads the files itself: a password is on no command line.
\set owner `cat /run/postgres/owner-password`
\set service `cat /run/postgres/service-password`
ALTER ROLE visard_owner PASSWORD :'owner';
ALTER ROLE visard_service PASSWORD :'service';
