"""``visard bench``: what this machine carries."""

import click
import numpy as np

from service.commands.options import json_option
from service.commands.throwaway import throwaway_parts


class _Mix(click.ParamType[tuple[int, ...]]):
    """Numbers of faces, with commas between."""

    name = "mix"
    _most = 8

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).split(",")
        if not all(part.isdecimal() and 1 <= int(part) <= self._most for part in parts):
            self.fail(f"must be numbers from 1 to {self._most} with commas between", param, ctx)
        return tuple(map(int, parts))


@click.command()
@click.option("--clients", type=click.IntRange(1, 256), default=8, show_default=True, help="At once.")
@click.option("--requests", type=click.IntRange(1), default=24, show_default=True, help="Of all clients together.")
@click.option("--mix", type=_Mix(), default="1,1,3", show_default=True, help="Faces in the photos, taken in turn.")
@json_option
def bench(clients: int, requests: int, mix: tuple[int, ...], as_json: bool) -> None:
    """Anonymize photos for many clients at once, and print what they waited for.

    VISARD_DEVICE and VISARD_WEIGHTS choose device and weights; keys and records are nobody's, and removed.
    """
    from skimage.data import astronaut

    from service.evaluation.bench import Load, run_bench
    from service.evaluation.bench_table import render_bench
    from service.evaluation.studio import TENANT, Studio

    portrait = np.ascontiguousarray(astronaut()[20:240, 120:320])  # type: ignore[no-untyped-call]
    with throwaway_parts() as (parts, home):
        parts.keys.create(TENANT)
        report = run_bench(portrait, Load(clients, requests, mix), Studio(parts, home))
    print(report.model_dump_json() if as_json else render_bench(report))
