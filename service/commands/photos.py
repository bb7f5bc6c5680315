"""``visard anonymize`` and ``visard recover``, for one file or a folder."""

import json
import mimetypes
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args
from uuid import UUID

import click
from tqdm import tqdm

from service.assembly import open_parts
from service.batch.names import format_of, result_name
from service.batch.storage import Folder
from service.commands.exits import FAULT, exit_code, worst
from service.commands.files import distinct, read_file, write_file
from service.commands.operator import operator
from service.commands.options import choice, json_option
from service.core.solver import Progress
from service.core.transform import SCHEMES
from service.errors import FileUnusable, VisardError
from service.faces.masks import Coverage
from service.imaging import MetadataPolicy, OutputFormat
from service.operations.anonymize import AnonymizeRequest
from service.operations.anonymize import anonymize as anonymize_image
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest
from service.operations.recover import recover as recover_image
from service.settings import Settings
from service.tenancy import SealPolicy

Answer = dict[str, Any]

_tenant = click.option("--tenant", default="demo", show_default=True, help="Whose key is used.")


@click.command()
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@_tenant
@click.option("--coverage", type=choice(Coverage), default="face", show_default=True)
@click.option("--depth", type=click.Choice(["8", "16"]), help="Bits per sample of the output; 16 needs PNG or TIFF.")
@click.option("--format", "format_", type=choice(OutputFormat, "same"), help="Default: what OUT's name says.")
@click.option("--seal", type=choice(SealPolicy), help="Where exact faces are kept. Default: the tenant's policy.")
@click.option("--metadata", type=choice(MetadataPolicy), default="strip", show_default=True)
@click.option("--no-faces", type=click.Choice(["error", "pass"]), default="error", show_default=True)
@click.option("--again", is_flag=True, help="Anonymize an image that is anonymized already.")
@click.option("--scheme", type=click.Choice(SCHEMES), default=SCHEMES[0], hidden=True)
@json_option
def anonymize(photo: Path, out: Path, format_: str | None, depth: str | None, as_json: bool, **choices: Any) -> int:
    """Replace every face in PHOTO (a file or a folder) and write the result to OUT."""
    asked = None if photo.is_dir() else _format_named(out)
    request = AnonymizeRequest(
        format=cast(Any, format_ or asked or "same"), depth=cast(Any, int(depth)) if depth else None, **choices
    )
    parts = open_parts(Settings())
    parts.keys.create(request.tenant)

    def one(source: Path, named: _Named, progress: Progress | None) -> Answer:
        answer = anonymize_image(read_file(source, parts.limits.max_bytes), request, parts, progress)
        try:
            path = named(answer.format)
            write_file(path, answer.data)
        except BaseException:
            # Nobody has the image: nothing of its faces is to stay.
            if answer.record is not None:
                parts.records.delete(request.tenant, answer.record)
            raise
        faces = [{"box": f.box, "confidence": round(f.confidence, 4), "scale": round(f.scale, 4)} for f in answer.faces]
        return {"record": str(answer.record) if answer.record else None, "faces": faces, "output": str(path)}

    say = "{faces} faces replaced, record {record}: {output} ({seconds:.1f} s)"
    return _run(photo, out, one, parts, as_json, lambda a: say.format(**{**a, "faces": len(a["faces"])}))


@click.command()
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why; goes into the audit log.")
@click.option("--case", help="The file or ticket it belongs to.")
@_tenant
@click.option("--record", type=click.UUID, help="Id of the record, when the image has lost its metadata.")
@click.option("--fidelity", type=click.Choice(["best", "generative"]), default="best", show_default=True)
@json_option
def recover(image: Path, out: Path, record: UUID | None, as_json: bool, **choices: Any) -> int:
    """Give the original faces of IMAGE (a file or a folder) back and write the result to OUT."""
    request = RecoverRequest(subject=operator(), record=record, **choices)
    parts = open_parts(Settings())

    def one(source: Path, named: _Named, progress: Progress | None) -> Answer:
        lossless: OutputFormat = "tiff" if format_of(source) == "tiff" else "png"
        wanted = lossless if image.is_dir() else _format_named(out) or "png"
        if wanted not in ("png", "tiff"):
            raise FileUnusable("recovered images are lossless: name the output .png or .tiff")
        target = named(wanted)
        answer = recover_image(
            read_file(source, parts.limits.max_bytes), replace(request, format=cast(Any, wanted)), parts, progress
        )
        write_file(target, answer.data, private=True)
        sure = {} if answer.confidence is None else {"confidence": round(answer.confidence, 2)}
        return {
            "record": str(answer.record),
            "fidelity": answer.fidelity,
            **sure,
            "verified": answer.verified,
            "faces": answer.faces,
            "output": str(target),
        }

    def say(answer: Answer) -> str:
        sure = f", confidence {answer['confidence']}" if "confidence" in answer else ""
        text = "{faces} faces recovered, {fidelity}{sure}, verified: {verified}: {output} ({seconds:.1f} s)"
        return text.format(sure=sure, **answer)

    return _run(image, out, one, parts, as_json, say)


_Named = Callable[[OutputFormat], Path]
"""The file that a result is written to, by its format."""

_One = Callable[[Path, _Named, Progress | None], Answer]


def _run(source: Path, out: Path, one: _One, parts: Parts, as_json: bool, say: Callable[[Answer], str]) -> int:
    distinct(source, out)
    if source.is_dir():
        return _run_folder(source, out, one, as_json, say)
    expected = 2 * parts.bundles.default.manifest.numerics.nfe
    with tqdm(total=expected, desc=source.name, unit="eval", leave=False, disable=None) as bar:
        answer = _timed(one, source, lambda _: out, bar.update)
    print(json.dumps(answer) if as_json else say(answer))
    return 0


@dataclass(frozen=True, slots=True)
class _Failure:
    photo: Path
    error: str
    code: int


def _run_folder(source: Path, out: Path, one: _One, as_json: bool, say: Callable[[Answer], str]) -> int:
    """Every photo of a folder; a failure is reported and the rest goes on."""
    folder = Folder.here(source)
    folder.require_apart(Folder.here(out))
    started = time.perf_counter()
    answers: list[Answer] = []
    failures: list[_Failure] = []
    names = list(folder.photos())
    if not names:
        raise FileUnusable(f"there are no photos in {source}")
    for name in tqdm(names, desc=source.name, unit="photo", disable=None):
        photo = source / name
        named = partial(_beside, out, name, folder)
        try:
            folder.require_regular(name)
            answers.append({"input": str(photo), **_timed(one, photo, named, None)})
        except VisardError as error:
            failures.append(_Failure(photo, str(error), exit_code(error)))
        except Exception as error:  # noqa: BLE001
            # The text of a foreign exception may hold anything: its kind must do.
            failures.append(_Failure(photo, f"internal error ({type(error).__name__})", FAULT))
    seconds = round(time.perf_counter() - started, 3)
    if as_json:
        failed = [{"input": str(f.photo), "error": f.error} for f in failures]
        print(json.dumps({"images": answers, "failed": failed, "seconds": seconds}))
    else:
        for failure in failures:
            click.echo(f"visard: {failure.photo}: {failure.error}", err=True)
        print(f"{len(answers)} photos done, {len(failures)} failed ({seconds:.1f} s): {out}")
    return worst(f.code for f in failures)


def _beside(out: Path, name: str, folder: Folder, format_: OutputFormat) -> Path:
    return out / result_name(name, format_, folder.has)


def _timed(one: _One, source: Path, named: _Named, progress: Progress | None) -> Answer:
    started = time.perf_counter()
    answer = one(source, named, progress)
    return {**answer, "seconds": round(time.perf_counter() - started, 3)}


def _format_named(out: Path) -> OutputFormat | None:
    """The format that the name of an output asks for; None if it asks for none.

    Raises:
        FileUnusable: it asks for an image of a kind that is not written here.
    """
    kind, _, subtype = (mimetypes.guess_type(out.name, strict=False)[0] or "").partition("/")
    if kind == "image" and subtype not in get_args(OutputFormat):
        raise FileUnusable(f"{out.suffix} files are not written here: name the output .png, .jpg, .webp or .tiff")
    return format_of(out)
