"""Commands of the documentation that its own test does not run: who does, and those that nobody can run here."""

RUN_BY = {
    "make demo": ("tests/commands/test_command_line.py", "test_demo_writes_everything"),
    "make test": (".ci/run", "make test"),
    "pip install torch==2.13.0 && pip install .": ("Makefile", "pip install"),
    "pip install '.[eval]'": ("Makefile", "-e '.[dev]'"),
    "visard bench --clients 8 --requests 24 --mix 1,1,3": ("tests/evaluation/test_bench.py", "test_what_is_counted"),
    "visard evaluate realism --data PHOTOS --out realism --limit 200 --reference 500": (
        "tests/evaluation/test_command.py",
        "test_realism_prints_json_alone",
    ),
    "visard evaluate speed --data PHOTOS --limit 16": ("tests/evaluation/test_speed.py", '"evaluate", "speed"'),
    "visard evaluate lfw --data LFW --out lfw --limit 40 --people 600 [--attacks [--lessons 2000]]": (
        "tests/evaluation/test_lfw.py",
        "def test_another_number_of_lessons_trains_again_and_redefined_attacks_are_made_again",
    ),
    "export VISARD_DATABASE_URL=postgresql+psycopg://visard_service@db.example/visard": (
        "tests/drills/conftest.py",
        "postgres_url",
    ),
    "export VISARD_KEYSTORE=vault VISARD_VAULT_ADDR=https://vault.example:8200": (
        "tests/custody/conftest.py",
        '"keystore": "vault"',
    ),
    "export VISARD_AUDIT_SIGNER=vault": ("tests/custody/test_signer.py", 'audit_signer="vault"'),
    "export VISARD_TOKEN_PEPPER_FILE=/run/secrets/visard-pepper": ("tests/settings/test_settings.py", "_FILE"),
    r"""grep '\\"kind\\":\\"erased\\".*\\"result\\":\\"granted\\"' hospital-audit.jsonl""": (
        "tests/commands/test_audit_command.py",
        "def test_an_export_names_the_erasures",
    ),
    "psql \"$(cat owner-database-url | sed 's/+psycopg//')\" -v ON_ERROR_STOP=1 -f deploy/postgresql/grants.sql": (
        "tests/api/test_database_roles.py",
        "grants.sql",
    ),
    "VISARD_TEST_VAULT_ADDR=http://127.0.0.1:8200 VISARD_TEST_VAULT_TOKEN=... python -m pytest tests/keys": (
        "tests/vault/fixtures.py",
        "VISARD_TEST_VAULT_ADDR",
    ),
    "pip install '.[ray]'": ("pyproject.toml", '"visard[eval,otel,ray]"'),
    "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=/run/secrets/ray-token RAY_USAGE_STATS_ENABLED=0": (
        "tests/cluster/ray_cluster.py",
        "RAY_AUTH_TOKEN",
    ),
    "ray start --head --port=6379 --temp-dir=/dev/shm/ray --include-dashboard=false --block "
    "--system-config='{\"automatic_object_spilling_enabled\": false}'": (
        "tests/cluster/ray_cluster.py",
        "--system-config",
    ),
    "visard batch s3://bucket/photos s3://bucket/public --manifest done.jsonl --ray HEAD:6379": (
        "tests/cluster/test_cluster.py",
        '"--ray", cluster.address',
    ),
    "export VISARD_ENGINE=ray VISARD_RAY_ADDRESS=HEAD:6379 VISARD_RAY_TOKEN_FILE=/run/secrets/ray-token": (
        "tests/cluster/test_cluster.py",
        'VISARD_ENGINE="ray"',
    ),
    "VISARD_DATABASE_URL_FILE=database-url VISARD_KEYSTORE=vault VISARD_VAULT_ADDR=https://vault.example:8200 "
    "VISARD_VAULT_KV_MOUNT=visard-keys VISARD_AUDIT_SIGNER=vault "
    "VISARD_VAULT_ROLE_ID=$(vault read -field=role_id auth/approle/role/visard-operator/role-id) "
    "VISARD_VAULT_SECRET_ID=$(vault write -f -field=secret_id auth/approle/role/visard-operator/secret-id) "
    "visard tenant create hospital": ("tests/keys/test_vault_page.py", '"deploy.md"'),
    "read -rs VAULT_TOKEN && export VAULT_TOKEN": ("tests/keys/test_vault_page.py", "def test_a_key_of_the_box"),
    "VISARD_VAULT_TOKEN=$(docker compose exec -T -e VAULT_TOKEN vault vault token create -orphan "
    "-policy=visard-shredder -ttl=15m -field=token) && export VISARD_VAULT_TOKEN": (
        "tests/keys/test_vault_page.py",
        "def test_a_key_of_the_box",
    ),
    "docker compose exec -T -e VAULT_TOKEN vault vault token revoke -self": (
        "tests/keys/test_vault_page.py",
        "def test_a_key_of_the_box",
    ),
    "docker compose run --rm --no-deps -e VISARD_VAULT_AUTH=token -e VISARD_VAULT_TOKEN visard keys destroy "
    '--tenant first --version 1 --reason "retention period over"': (
        "tests/keys/test_vault_page.py",
        "def test_a_key_of_the_box",
    ),
    "mkdir -m 700 backup": ("tests/deploy/test_backup.py", '"Backup"'),
    "for volume in vault-data postgres-data visard-home service-secrets operator-secrets postgres-secrets "
    'owner-secrets vault-secrets grafana-secrets; do docker run --rm -v "visard_$volume:/volume:ro" '
    'postgres:17.11-bookworm tar -C /volume -cf - . >"backup/$volume.tar" || echo "$volume is not backed up"; done': (
        "tests/deploy/test_backup.py",
        '"Backup"',
    ),
    'for archive in backup/*.tar; do docker run --rm -i -v "visard_$(basename "$archive" .tar):/volume" '
    'postgres:17.11-bookworm tar -C /volume --numeric-owner -xpf - <"$archive" || '
    'echo "$archive is not restored"; done': (
        "tests/deploy/test_backup.py",
        '"Restore"',
    ),
    "visard ray deploy --min 1 --max 8": ("tests/cluster/test_cluster.py", '"ray", "deploy"'),
    "kubectl apply -k deploy/kubernetes/migration": ("tests/deploy/manifests.py", "kustomize"),
    "kubectl apply -k deploy/kubernetes/overlays/production": ("tests/deploy/manifests.py", "kustomize"),
}
"""By a command: a file, and what in it does so, with other arguments or other files."""

RUN_WHOLE = {"docs/vault.md": ("tests/keys/test_vault_page.py", '"vault.md"')}
"""Documents of which every command is run by a test of their own."""

NEED_AN_ENGINE = (
    "docker compose up --build",
    "docker compose exec grafana cat /run/grafana/admin-password",
    "docker compose exec visard visard token create --tenant first --subject camera-7 --scope anonymize",
    "docker compose exec visard visard audit verify",
    "docker compose run --rm --entrypoint visard tenant tenant create hospital",
    "docker compose up vault-bootstrap",
    "docker compose run --rm --entrypoint cat vault-bootstrap /unseal/key",
    "docker compose run --rm --entrypoint rm vault-bootstrap /unseal/key",
    "docker compose exec vault vault operator unseal",
    "docker compose rm --force tenant",
    "docker compose logs migrate",
    "docker compose up --build --detach",
    "docker compose stop",
    "docker compose stop visard",
    "docker compose create",
    "docker compose up --detach",
    "docker compose exec -T postgres pg_dump -U postgres --format=custom visard >backup/visard.dump",
    "docker compose exec -T postgres pg_restore -U postgres --clean --if-exists --dbname=visard <backup/visard.dump",
    "docker compose exec postgres psql -U postgres -f /docker-entrypoint-initdb.d/20-passwords.sql",
    "docker compose exec vault vault operator generate-root -init",
    "docker compose exec vault vault operator generate-root",
    "docker compose exec vault vault operator generate-root -decode=ENCODED -otp=OTP",
    "docker compose run --rm --no-deps --entrypoint sh vault-bootstrap -c 'umask 077; cat >/unseal/key'",
    "docker compose run --rm --no-deps --entrypoint sh vault-bootstrap -c 'umask 077; cat >/unseal/root-token'",
)
"""Nobody runs these. Tested are the compose file, its scripts, and that the services and commands exist."""

NEED_THE_IMAGE = (
    "docker tag visard:local visard:before",
    "docker tag visard:before visard:local",
    "docker create --name before visard:before",
    "docker cp before:/opt/visard/lib/python3.11/site-packages/service/weights/bundled/. weights",
    "docker rm before",
)
"""Nor these. Tested is that the image has its bundles there."""

NEED_A_CLUSTER = (
    "ray start --address=HEAD:6379 --temp-dir=/dev/shm/ray --block",
    "visard batch photos/ public/ --ray local",
    "kubectl create namespace visard",
    "kubectl -n visard create secret generic visard --from-file=database-url --from-file=token-pepper",
    "kubectl -n visard create secret generic visard-owner --from-file=database-url=owner-database-url",
    "kubectl -n visard delete job visard-migrate --ignore-not-found",
    "kubectl -n visard exec deploy/visard -- "
    "visard token create --tenant hospital --subject camera-7 --scope anonymize",
    "kubectl -n visard rollout restart deploy/visard",
    "kubectl -n visard patch hpa visard --type=merge --patch "
    """"{\\"spec\\": {\\"maxReplicas\\": $(kubectl -n visard get deploy visard -o jsonpath='{.status.replicas}')}}\"""",
    "kubectl -n visard wait --for=condition=complete --timeout=10m job/visard-migrate",
)
"""Nor these. Tested is that the manifests use what they make, and batches on a cluster of a test's own."""

NOT_HERE = {*RUN_BY, *NEED_AN_ENGINE, *NEED_THE_IMAGE, *NEED_A_CLUSTER}
