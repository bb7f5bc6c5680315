"""What the compose file's one-shot containers do."""

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509

from tests.commands.visard import visard
from tests.deploy.manifests import ROOT

_SCRIPTS = ROOT / "deploy" / "compose"
_VAULT = """\
#!/bin/sh
# A Vault that remembers in files whether it is initialised and sealed, and writes down what it is asked for.
echo "$*" >>{state}/asked
case "$*" in
status)
    [ -e {state}/initialised ] && echo "Initialized     true" || echo "Initialized     false"
    [ -e {state}/unsealed ] || exit 2 ;;
"operator init"*) touch {state}/initialised; printf 'Unseal Key 1: the key\\n\\nInitial Root Token: the root\\n' ;;
"write sys/unseal key=-") [ "$(cat)" = "the key" ] && touch {state}/unsealed ;;
"audit list") exit 2 ;;
*/secret-id) [ "$VAULT_TOKEN" = "the root" ] && echo "secret id of $4" ;;
esac
"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", _SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The files that were made below ``tmp_path``, and whose they are."""
    made: dict[str, int] = {}
    monkeypatch.setattr(os, "chown", lambda path, user, _: made.update({path.relative_to(tmp_path).as_posix(): user}))
    for name in ("postgres", "owner", "vault", "service", "operator", "grafana"):
        (tmp_path / name).mkdir()
    return made


def test_secrets_are_readable_by_their_reader_alone(tmp_path: Path, owners: dict[str, int]) -> None:
    _load("credentials").main(tmp_path)
    assert {name for name, user in owners.items() if user == 10001} == {
        "owner/database-url",
        *(
            f"{role}/{name}"
            for role in ("service", "operator")
            for name in ("database-url", "token-pepper", "vault-ca.pem")
        ),
    }
    for name in owners:
        public = name.endswith(("ca.pem", "certificate.pem"))
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == (0o444 if public else 0o400), name


def test_they_are_made_by_what_the_container_runs(tmp_path: Path) -> None:
    """As a script of its own: what lies beside it is found before the standard library."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["secrets"]
    mounted = {inside: ROOT / outside for outside, inside, *_ in (volume.split(":") for volume in service["volumes"])}
    _, script, root = service["entrypoint"]
    made, site = tmp_path / "made", tmp_path / "site"
    for inside in mounted:
        if inside.startswith(f"{root}/"):
            (made / inside.removeprefix(f"{root}/")).mkdir(parents=True)
    site.mkdir()
    # Whoever runs the tests may not be allowed to give files away.
    (site / "sitecustomize.py").write_text("import os\nos.chown = lambda *_: None\n")
    command = [sys.executable, mounted[script], made]
    done = subprocess.run(command, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (made / "service/token-pepper").read_text()
    assert (made / "postgres/complete").exists()


def test_both_sides_have_the_same_passwords(tmp_path: Path, owners: dict[str, int]) -> None:
    _load("credentials").main(tmp_path)
    for folder, role in (("owner", "owner"), ("service", "service"), ("operator", "service")):
        url = urlsplit((tmp_path / folder / "database-url").read_text())
        assert (url.username, url.hostname) == (f"visard_{role}", "postgres")
        assert url.password == (tmp_path / f"postgres/{role}-password").read_text()
    assert (tmp_path / "service/token-pepper").read_text() == (tmp_path / "operator/token-pepper").read_text()


def test_vaults_certificate_names_it(tmp_path: Path, owners: dict[str, int]) -> None:
    _load("credentials").main(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "service/vault-ca.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vault"]
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc
    certificate.verify_directly_issued_by(certificate)


def test_secrets_stay_once_they_are_complete(tmp_path: Path, owners: dict[str, int]) -> None:
    secrets = _load("credentials")
    pepper = tmp_path / "service/token-pepper"
    secrets.main(tmp_path)
    first = pepper.read_text()
    secrets.main(tmp_path)
    assert pepper.read_text() == first
    (tmp_path / "postgres/complete").unlink()
    secrets.main(tmp_path)
    assert pepper.read_text() != first


def test_the_auditor_gets_one_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISARD_HOME", str(tmp_path))
    tenant = _load("tenant")

    def run(*arguments: str) -> str:
        with redirect_stdout(StringIO()) as printed:
            assert visard(*arguments) == 0
        return printed.getvalue()

    monkeypatch.setattr(tenant, "_visard", run)
    tenant.main()
    first = capsys.readouterr().out
    assert re.fullmatch(r"The auditor's token of the tenant 'first', shown this once: \S+\n", first)
    tenant.main()
    assert capsys.readouterr().out == ""
    # Docker's log keeps it.
    assert visard("token", "list", "--json") == 0
    (token,) = json.loads(capsys.readouterr().out)["tokens"]
    assert datetime.fromisoformat(token["expires"]) <= datetime.now(UTC) + timedelta(days=30)


class _Box:
    """Where ``vault.sh`` runs: its directories below ``folder``, and a Vault that does what it is told."""

    def __init__(self, folder: Path) -> None:
        self.state, self.unseal, self.run = (folder / name for name in ("state", "unseal", "run"))
        self._bin = folder / "bin"
        for path in (self.state, self.unseal, self._bin, self.run / "service", self.run / "operator"):
            path.mkdir(parents=True)
        self._tool("vault", _VAULT.format(state=self.state))
        self._tool("chown", "#!/bin/sh\n")
        self._script = folder / "vault.sh"
        text = (_SCRIPTS / "vault.sh").read_text().replace("/unseal/", f"{self.unseal}/")
        text = text.replace("/run/", f"{self.run}/").replace("/deploy/vault/", f"{folder}/vault/")
        self._script.write_text(text)
        (folder / "vault").mkdir()
        (folder / "vault" / "bootstrap.sh").write_text("vault prepared-by-bootstrap\n")

    def _tool(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    def start(self) -> tuple[int, list[str]]:
        """Run it; its exit status, and what it asked Vault for, questions about its state left out.

        What it printed is ``said``.
        """
        asked = self.state / "asked"
        asked.unlink(missing_ok=True)
        environment = {"PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}"}
        command = [shutil.which("sh") or "sh", self._script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        self.said = done.stdout + done.stderr
        return done.returncode, [line for line in asked.read_text().splitlines() if line != "status"]


def test_vault_is_initialised_unsealed_and_prepared_once(tmp_path: Path) -> None:
    box = _Box(tmp_path)
    status, asked = box.start()
    assert status == 0
    assert asked[:3] == [
        "operator init -key-shares=1 -key-threshold=1",
        "write sys/unseal key=-",
        "prepared-by-bootstrap",
    ]
    assert asked[-1] == "token revoke -self"
    assert [path.name for path in box.unseal.iterdir()] == ["key"]
    for role in ("service", "operator"):
        secret_id = (box.run / role / "vault-secret-id").read_text()
        assert secret_id == f"secret id of auth/approle/role/visard-{role}/secret-id\n"
    assert box.start() == (0, [])


def test_vault_is_unsealed_after_a_restart(tmp_path: Path) -> None:
    box = _Box(tmp_path)
    box.start()
    (box.state / "unsealed").unlink()
    assert box.start() == (0, ["write sys/unseal key=-"])


def test_a_key_that_was_taken_away_is_missed_until_vault_is_unsealed_without_it(tmp_path: Path) -> None:
    box = _Box(tmp_path)
    box.start()
    (box.state / "unsealed").unlink()
    (box.unseal / "key").unlink()
    assert box.start() == (1, [])
    # An operator types it.
    (box.state / "unsealed").touch()
    assert box.start() == (0, [])


@pytest.mark.parametrize("missing", ["service", "operator"])
def test_a_box_without_a_secret_id_is_not_ready_until_a_root_token_makes_one(missing: str, tmp_path: Path) -> None:
    box = _Box(tmp_path)
    box.start()
    (box.state / "unsealed").unlink()
    secret_id = box.run / missing / "vault-secret-id"
    secret_id.unlink()
    assert box.start() == (1, ["write sys/unseal key=-"])
    assert f"secret id of visard-{missing} is missing" in box.said and "ready" not in box.said
    (box.unseal / "root-token").write_text("the root\n")
    assert box.start()[0] == 0 and "ready" in box.said
    assert secret_id.read_text() == f"secret id of auth/approle/role/visard-{missing}/secret-id\n"
    assert [path.name for path in box.unseal.iterdir()] == ["key"]


def test_an_interrupted_preparation_is_completed(tmp_path: Path) -> None:
    box = _Box(tmp_path)
    box.start()
    (box.unseal / "root-token").write_text("the root\n")
    status, asked = box.start()
    assert status == 0 and "prepared-by-bootstrap" in asked
    assert [path.name for path in box.unseal.iterdir()] == ["key"]
