"""``visard batch``: a folder or bucket of images, however many."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, cast

import click
from tqdm import tqdm

from service.assembly import cluster_access, join_cluster, open_parts, weights_on_nodes
from service.batch.figures import Figures
from service.batch.manifest import Heading, Line, Manifest
from service.batch.run import Batch
from service.batch.storage import Folder
from service.batch.work import DEADLINE_S, Crew, Threads
from service.commands.exits import BAD_INPUT, DONE, FAULT
from service.commands.options import choice, json_option
from service.errors import FileUnusable, SettingsInvalid, VisardError
from service.faces.masks import Coverage
from service.imaging import MetadataPolicy, OutputFormat
from service.operations.anonymize import AnonymizeRequest
from service.operations.keeping import chosen_policy
from service.operations.parts import Parts
from service.settings import Settings
from service.tenancy import SealPolicy

_MANIFEST = "manifest.jsonl"
_OPTIONS = ("coverage", "depth", "format", "seal", "metadata")
"""What the results of one manifest have in common."""
_MINUTE_S = 60


@click.command()
@click.argument("source")
@click.argument("dest")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help=f"Default: {_MANIFEST} in DEST, if that is a folder here."
)
@click.option("--tenant", default="demo", show_default=True, help="Whose key is used.")
@click.option("--coverage", type=choice(Coverage), default="face", show_default=True)
@click.option("--depth", type=click.Choice(["8", "16"]), help="Bits per sample of the output; 16 needs PNG or TIFF.")
@click.option("--format", type=choice(OutputFormat, "same"), default="same", show_default=True)
@click.option("--seal", type=choice(SealPolicy), help="Where exact faces are kept. Default: the tenant's policy.")
@click.option("--metadata", type=choice(MetadataPolicy), default="strip", show_default=True)
@click.option("--again", is_flag=True, help="Anonymize images that are anonymized already.")
@click.option("--threads", type=click.IntRange(1), help="Images at a time. Default: VISARD_OPERATIONS, or 8.")
@click.option("--ray", help="Work on a Ray cluster: HOST:PORT of its head, or 'local' for one that ends with this run.")
@click.option("--workers", type=click.IntRange(1), help="Of the cluster. Default: one for each GPU or processor.")
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    default=DEADLINE_S,
    show_default=True,
    help="Seconds for one image. With --ray its worker is replaced then; otherwise the run ends.",
)
@json_option
def batch(
    source: str,
    dest: str,
    manifest: Path | None,
    depth: str | None,
    threads: int | None,
    ray: str | None,
    workers: int | None,
    deadline: float,
    as_json: bool,
    **choices: Any,
) -> int:
    """Replace every face in every photo below SOURCE and write the results below DEST.

    Both are folders, or URLs of object stores (s3://bucket/photos). The manifest gets one JSON line for each photo;
    the same command again goes on where it stopped. Photos without faces are passed on; a photo that cannot be
    anonymized is a line in the manifest, and no reason to stop.
    """
    if workers is not None and ray is None:
        raise click.UsageError("--workers are of a cluster: give --ray, too")
    settings = Settings()
    if ray is not None and settings.engine == "ray":
        raise SettingsInvalid("--ray starts workers with engines of their own: unset VISARD_ENGINE")
    request = AnonymizeRequest(depth=cast(Any, int(depth)) if depth else None, no_faces="pass", **choices)
    origin, target = Folder.open(source), Folder.open(dest)
    origin.require_apart(target)
    path = manifest or _default_manifest(target)
    heading = Heading(
        source=origin.address,
        destination=target.address,
        tenant=request.tenant,
        options={name: getattr(request, name) for name in _OPTIONS},
    )
    with Manifest.open(path, heading) as opened, tqdm(desc=source, unit="photo", disable=None) as bar:
        hands = threads or settings.operations
        # None of them may be refused by an engine that has nobody else.
        parts = open_parts(settings, queue_limit=hands)
        parts.keys.create(request.tenant)
        with _crew(settings, ray, workers, hands, deadline, str(origin.local or source), request, parts) as crew:
            figures = Figures()
            shown = _Shown(bar, figures)
            job = Batch(
                source=origin,
                target=target,
                manifest=opened,
                tenant=request.tenant,
                policy=chosen_policy(parts.tenants.policy_of(request.tenant), request.seal),
                again=request.again,
                keys=parts.keys,
                records=parts.records,
                on_line=shown.line,
                on_unlisted=shown.unlisted,
                figures=figures,
            )
            try:
                job.run(crew)
            except BaseException:
                # What is on stdout is of a run that came to its end.
                with redirect_stdout(sys.stderr):
                    _report(figures, path, as_json)
                raise
    return _report(figures, path, as_json)


@contextmanager
def _crew(
    settings: Settings,
    ray: str | None,
    workers: int | None,
    threads: int,
    deadline: float,
    source: str,
    request: AnonymizeRequest,
    parts: Parts,
) -> Iterator[Crew]:
    if ray is None:
        yield Threads(threads, Folder.open(source), request, parts, deadline)
        return
    access = cluster_access(settings, ray)
    # Ray prints what happens to its workers on stdout, which is ours.
    with redirect_stdout(sys.stderr), closing(join_cluster(settings, ray)):
        from service.cluster.crew import Order, RayCrew, drawing

        order = Order(
            source=source,
            request=request,
            weights=weights_on_nodes(settings),
            bundles=drawing(parts.bundles),
            device=settings.device,
            limits=parts.limits,
            max_faces=parts.max_faces,
            threads=threads,
            guarded=access.guarded,
        )
        yield RayCrew(order, workers, deadline)


def _default_manifest(target: Folder) -> Path:
    if target.local is None:
        raise FileUnusable("the destination is no folder here: say where the manifest is to be, with --manifest")
    return target.local / _MANIFEST


class _Shown:
    """What happens, on stderr: a bar, or a line a minute where nobody looks at a terminal."""

    def __init__(self, bar: "tqdm[Any]", figures: Figures) -> None:
        self._bar = bar
        self._figures = figures
        self._last = time.monotonic()

    def line(self, line: Line) -> None:
        """A source is finished."""
        self._bar.update()
        if line.error is not None:
            self._say(f"{line.source}: {line.message}")
        if self._bar.disable and time.monotonic() - self._last >= _MINUTE_S:
            self._last = time.monotonic()
            summary = self._figures.summary()
            self._say("{anonymized} anonymized, {passed_on} passed on, {failed} failed".format(**summary))

    def unlisted(self, folder: str, error: VisardError) -> None:
        """A folder is left out."""
        self._say(f"{folder}: the folder is left out, it cannot be listed ({error})")

    def _say(self, what: str) -> None:
        tqdm.write(f"visard: {what}", file=sys.stderr)


def _report(figures: Figures, manifest: Path, as_json: bool) -> int:
    summary = figures.summary()
    code = FAULT if figures.unlisted else BAD_INPUT if figures.failed else DONE
    if as_json:
        print(json.dumps({**summary, "manifest": str(manifest)}))
        return code
    print(
        f"{figures.anonymized} anonymized ({figures.faces} faces), {figures.passed_on} without faces passed on, "
        f"{summary['failed']} failed, {figures.skipped} done before ({summary['seconds']} s)"
    )
    for error, count in sorted(figures.failed.items()):
        print(f"  {error}: {count}")
    if figures.repeated or figures.undone:
        print(f"{figures.repeated} tries repeated, {figures.undone} records of an interrupted run erased")
    if figures.unlisted:
        print(f"{figures.unlisted} folders left out: the same command again looks into them")
    if summary["images_per_hour"] is not None:
        print(f"{summary['images_per_hour']} images per hour")
    if summary["output_bytes_per_million"] is not None:
        sizes = (_size(summary[f"{kind}_bytes_per_million"]) for kind in ("output", "record"))
        print("a million images: {} of results, {} of records in the database".format(*sizes))
    print(f"manifest: {manifest}")
    return code


def _size(size: object) -> str:
    return f"{cast(int, size) / 1e9:.2f} GB"
