"""Every command of the documentation exists, and is run: here, or by whom `elsewhere.py` names."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.environment import secrets, variable
from service.settings import Settings
from service.training.config import TrainConfig
from tests.deploy.manifests import COMPOSE_FILE, SERVICES
from tests.documents.commands import DOCUMENTS, ROOT, commands, mentions, options, parse
from tests.documents.elsewhere import NEED_AN_ENGINE, NOT_HERE, RUN_BY, RUN_WHOLE
from tests.ports import free_port

PATIENCE_S = 1800
ALL = [command for document in DOCUMENTS for command in commands(document)]
RUN_HERE = {
    "README.md": {
        "visard serve": "start_serving",
        " FOLDER": ' "$VISARD_HOME/audit-checkpoints"',
        "visard train": "visard train --config small.json",
        "PHOTOS": "photos",
    },
    # What is backed up was used. A dump is put back on a new server.
    "docs/operations.md": {
        "visard settings": "visard settings\nuse",
        "(umask 077; pg_dump": "served migrate\nserved tenant create hospital\n(umask 077; pg_dump",
        "pg_restore": "another_server\npg_restore",
        "(umask 077; tar": "served tenant list | grep ^hospital\n(umask 077; tar",
    },
}
"""What stands for what, by documents whose commands run from first to last; other documents have none to run."""

_START = """
set -euo pipefail
start_serving() {
    visard serve --port "$PORT" 2>serving.log &
    trap "kill $!" EXIT
    until curl -sf "http://127.0.0.1:$PORT/readyz" >/dev/null; do kill -0 $!; sleep 0.2; done
}
use() {
    visard anonymize --tenant hospital photo.jpg public.jpg
    visard recover --tenant hospital public.jpg original.png --reason test
}
served() {
    VISARD_HOME=served VISARD_DATABASE_URL="$SERVED" visard "$@"
}
another_server() {
    psql -q "$DATABASE" -c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public'
}
set -x
"""
_SMALL = TrainConfig(resolution=16, channels=(32, 32), images=16, batch=8, warmup=8, bfloat16=False, held_out=4)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.text[:60])
def test_every_command_of_visard_is_one(command) -> None:
    for words in command.invocations():
        parse(words, whole=True)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_mentioned_exists(document: str) -> None:
    known = options()
    for said in mentions(document):
        if said.startswith("visard ") and "ROLE" not in said and not set(said) & set("|.\\"):
            parse(said.split()[1:], whole=False)
        if said.startswith("--"):
            assert said.split()[0].split("=")[0] in known, said


@pytest.mark.parametrize("document", DOCUMENTS)
def test_variables_that_are_named_are_settings(document: str) -> None:
    named = set(re.findall(r"\bVISARD_\w*[A-Z]\b", (ROOT / document).read_text()))
    known = set(map(variable, Settings.model_fields)) | {f"{variable(name)}_FILE" for name in secrets(Settings)}
    known.update(re.findall(r"\$\{(VISARD_\w+)", COMPOSE_FILE.read_text()))
    assert {name for name in named if not name.startswith("VISARD_TEST_")} <= known


@pytest.mark.parametrize(
    "words", ["token create --tenent a", "keys rotated", "anonymize --seal none", "audit list --what"]
)
def test_what_does_not_exist_is_found(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(words.split(), whole=False)


def test_every_command_is_run_by_somebody() -> None:
    run = NOT_HERE | {command.text for command in ALL if command.document in {*RUN_HERE, *RUN_WHOLE}}
    left = [command for command in ALL if command.text not in run]
    assert left == []
    assert {command.text for command in ALL} >= NOT_HERE, "listed, and in no document any more"


@pytest.mark.parametrize(("where", "what"), [*RUN_BY.values(), *RUN_WHOLE.values()])
def test_who_is_said_to_run_it_is_there(where: str, what: str) -> None:
    assert what in (ROOT / where).read_text()


def test_services_of_the_compose_file_are_called_by_their_names() -> None:
    for command in NEED_AN_ENGINE:
        switches = ("--build", "--rm", "--force", "--no-deps", "--detach", "-T")
        words = [word for word in shlex.split(command)[2:] if word not in switches]
        service = words[3] if words[1:2] == ["--entrypoint"] else (words[1:2] or ["visard"])[0]
        assert service in SERVICES, command


@pytest.mark.parametrize("document", RUN_HERE)
def test_its_commands_run(
    document: str, tmp_path: Path, small_bundle: Path, portrait: NDArray[np.uint8], postgres_url: str
) -> None:
    _photos(tmp_path, portrait)
    (tmp_path / "small.json").write_text(_SMALL.model_dump_json())
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    port = free_port()
    text = "\n".join(command.text for command in commands(document) if command.text not in NOT_HERE)
    for said, meant in {**RUN_HERE[document], "127.0.0.1:8080": f"127.0.0.1:{port}"}.items():
        text = text.replace(said, meant)
    environment = {
        "PATH": os.pathsep.join((str(_tools(tmp_path)), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "VISARD_HOME": str(tmp_path / "home"),
        "VISARD_WEIGHTS": str(small_bundle),
        "PORT": str(port),
        # Beside other tests, threads that spin for each other take minutes for what takes seconds.
        "OMP_NUM_THREADS": "1",
        "DATABASE": postgres_url.replace("+psycopg", ""),
        "SERVED": postgres_url,
    }
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", _START + text],
        env=environment,
        cwd=tmp_path,
        input="y\n" * 9,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    kept = [path for kind in ("token", "dump", "tar") for path in tmp_path.glob(f"*.{kind}")]
    assert kept and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)


def _photos(folder: Path, portrait: NDArray[np.uint8]) -> None:
    (folder / "photos").mkdir()
    for path in (folder / "photo.jpg", *(folder / "photos" / f"{number}.jpg" for number in range(8))):
        Image.fromarray(portrait).save(path, quality=95)


def _tools(folder: Path) -> Path:
    """``visard`` as it is here."""
    tools = folder / "tools"
    tools.mkdir()
    visard = tools / "visard"
    visard.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m service "$@"\n')
    visard.chmod(0o755)
    return tools
