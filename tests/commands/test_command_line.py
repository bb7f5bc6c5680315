"""The command line as a user meets it: output, exit codes, folders."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.commands.visard import visard


@pytest.fixture
def folder(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos with a face, one without, one file that is no photo, one broken photo."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    face = np.ascontiguousarray(astronaut()[20:240, 120:320])
    photos = tmp_path / "photos"
    (photos / "inner").mkdir(parents=True)
    Image.fromarray(face).save(photos / "a.png")
    Image.fromarray(face[:, ::-1]).save(photos / "inner" / "b.jpg", quality=95)
    Image.fromarray(np.full((60, 60, 3), 120, np.uint8)).save(photos / "empty.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a photo")
    (photos / "notes.txt").write_text("not a photo")
    return photos


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_anonymize_then_recover_prints_json_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, back = folder.parent / "out.png", folder.parent / "back.png"
    assert visard("anonymize", folder / "a.png", out, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made) == {"record", "faces", "output", "seconds"}
    assert set(made["faces"][0]) == {"box", "confidence", "scale"}
    assert visard("recover", out, back, "--reason", "test", "--json") == 0
    recovered = json.loads(capsys.readouterr().out)
    assert set(recovered) == {"record", "fidelity", "verified", "faces", "output", "seconds"}
    assert (recovered["record"], recovered["fidelity"], recovered["verified"]) == (made["record"], "exact", "image")
    assert np.array_equal(pixels_of(back), pixels_of(folder / "a.png"))


def test_home_and_recovered_faces_are_private(folder: Path) -> None:
    out, back = folder.parent / "out.png", folder.parent / "back.png"
    assert visard("anonymize", folder / "a.png", out) == 0
    assert visard("recover", out, back, "--reason", "test") == 0
    assert stat.S_IMODE((folder.parent / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE(back.stat().st_mode) == 0o600


def test_folder_goes_on_after_failures_and_sums_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out"
    assert visard("anonymize", folder, out, "--json") == 2
    summary = json.loads(capsys.readouterr().out)
    assert [Path(image["output"]).relative_to(out).as_posix() for image in summary["images"]] == [
        "a.png",
        "inner/b.jpg",
    ]
    assert {Path(failure["input"]).name for failure in summary["failed"]} == {"empty.png", "broken.jpg"}
    assert visard("anonymize", folder, folder.parent / "out2", "--no-faces", "pass") == 2
    captured = capsys.readouterr()
    assert "3 photos done, 1 failed" in captured.out
    assert visard("recover", out, folder.parent / "back", "--reason", "test") == 0
    assert np.array_equal(pixels_of(folder.parent / "back" / "a.png"), pixels_of(folder / "a.png"))


def test_format_follows_the_output_name(folder: Path) -> None:
    for name, kind in (("out.webp", "WEBP"), ("out.tiff", "TIFF"), ("out.jpg", "JPEG"), ("out.png", "PNG")):
        assert visard("anonymize", folder / "a.png", folder.parent / name) == 0
        with Image.open(folder.parent / name) as image:
            assert image.format == kind


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["anonymize", "{photos}/nothing.png", "{photos}/x.png"], 2, "does not exist"),
        (["anonymize", "{photos}/empty.png", "{photos}/x.png"], 2, "no face"),
        (["anonymize", "{photos}/broken.jpg", "{photos}/x.jpg"], 2, "damaged|truncated|corrupt|not a"),
        (["anonymize", "{photos}/a.png", "{photos}/a.png"], 2, "input itself"),
        (["anonymize", "{photos}/a.png", "{photos}/x.png", "--tenant", "No Such/../Name"], 2, "tenant"),
        (["anonymize", "{photos}/a.png", "{photos}/x.jpg", "--depth", "16"], 2, "16"),
        (["anonymize", "{photos}/a.png", "/proc/nowhere/x.png"], 2, "cannot write"),
        (["recover", "{photos}/a.png", "{photos}/x.png"], 2, "reason"),
        (["recover", "{photos}/a.png", "{photos}/x.png", "--reason", "test"], 3, "no key|no record"),
        (["recover", "{photos}/a.png", "{photos}/x.jpg", "--reason", "test"], 2, "lossless"),
        (["anonymize", "{photos}/a.png", "{photos}/x.bmp"], 2, "not written"),
        (["anonymize", "{photos}/a.png", "{photos}/x.GIF", "--format", "png"], 2, "not written"),
        (["recover", "{photos}/a.png", "{photos}/x.bmp", "--reason", "test"], 2, "not written"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    arguments: list[str], code: int, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visard(*(argument.format(photos=folder) for argument in arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("visard: ")
    assert captured.err.count("\n") == 1
    assert any(word in captured.err for word in words.split("|"))


@pytest.mark.parametrize("group", [[], ["tenant"], ["ray"]])
def test_a_group_without_a_command_shows_its_help_as_it_is(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert visard(*group, "--help") == 0
    asked = capsys.readouterr().out
    assert visard(*group) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", asked)
    assert asked.startswith("Usage: ") and asked.count("\n") > 5


def test_anonymizing_twice_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out.png"
    assert visard("anonymize", folder / "a.png", out) == 0
    assert visard("anonymize", out, folder.parent / "again.png") == 3
    assert visard("anonymize", out, folder.parent / "again.png", "--again", "--no-faces", "pass") == 0


def test_the_tenants_policy_holds_on_the_command_line_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, back = folder.parent / "out.png", folder.parent / "back.png"
    assert visard("tenant", "create", "acme", "--irreversible") == 0
    capsys.readouterr()
    assert visard("anonymize", folder / "a.png", out, "--tenant", "acme", "--json") == 0
    assert json.loads(capsys.readouterr().out)["record"] is None
    assert visard("recover", out, back, "--tenant", "acme", "--reason", "test") == 3
    assert visard("tenant", "create", "globex", "--seal", "off", "--approvals", "once") == 0
    assert visard("anonymize", folder / "a.png", out, "--tenant", "globex") == 0
    capsys.readouterr()
    assert visard("recover", out, back, "--tenant", "globex", "--reason", "test") == 3
    assert "approve" in capsys.readouterr().err
    assert visard("tenant", "set", "globex", "--approvals", "none") == 0
    capsys.readouterr()
    assert visard("recover", out, back, "--tenant", "globex", "--reason", "test", "--json") == 0
    recovered = json.loads(capsys.readouterr().out)
    assert recovered["fidelity"] == "generative" and 0.8 < recovered["confidence"] <= 1
    assert visard("recover", out, back, "--tenant", "globex", "--reason", "test") == 0
    assert f"generative, confidence {recovered['confidence']}" in capsys.readouterr().out


def test_demo_writes_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "demo"
    assert visard("demo", "--photo", folder / "a.png", "--out", out) == 0
    assert "every bit" in capsys.readouterr().out
    names = {path.name for path in out.iterdir()}
    assert names == {
        "anonymized.png",
        "contact-sheet.png",
        "recovered-exact.png",
        "recovered-generative.png",
        "wrong-key.png",
    }


def test_demo_of_a_photo_of_16_bits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = folder / "deep.png", folder.parent / "demo"
    deep = pixels_of(folder / "a.png").astype(np.uint16) * 256 + 77
    assert cv2.imwrite(str(photo), deep[..., ::-1])
    assert visard("demo", "--photo", photo, "--out", out) == 0
    said = capsys.readouterr().out
    assert "the faces, every bit" in said
    assert "inf dB" in said
    assert (out / "contact-sheet.png").exists()


def test_bundle_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("bundle", "info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["resolution"] == 32
    assert facts["network_evaluations"] == facts["N"] * facts["K"] + 1
    assert len(facts["digest"]) == 64


def test_module_runs_as_a_process(folder: Path) -> None:
    command = [sys.executable, "-m", "service", "anonymize", str(folder / "empty.png"), str(folder / "x.png")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 2
    assert done.stderr == "visard: no face to replace was found in the image\n"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("VISARD_FOO", "1", 2),
        ("VISARD_WEIGHTS", "/nowhere", 2),
        ("VISARD_DATABASE_URL", "mysql://nowhere", 2),
        ("VISARD_AUDIT_CHECKPOINT_URL", "nonsense", 2),
        ("VISARD_ENV", "production", 3),
    ],
)
def test_settings_that_do_not_fit_are_bad_usage_or_a_refusal(
    variable: str, value: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert visard("serve") == code
    err = capsys.readouterr().err
    assert err.startswith("visard: ") and err.count("\n") == 1
