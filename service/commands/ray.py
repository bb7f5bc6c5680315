"""``visard ray deploy``: the engine on a Ray cluster."""

from contextlib import closing

import click

from service.assembly import cluster_access, join_cluster, weights_on_nodes
from service.errors import SettingsInvalid
from service.settings import Settings


@click.group()
def ray() -> None:
    """The engine on a Ray cluster."""


@ray.command()
@click.option("--min", "fewest", type=click.IntRange(1), default=1, show_default=True, help="Replicas without load.")
@click.option("--max", "most", type=click.IntRange(1), default=4, show_default=True, help="Replicas under load.")
def deploy(fewest: int, most: int) -> None:
    """Start replicas of the engine on the cluster of VISARD_RAY_ADDRESS, or replace them.

    VISARD_WEIGHTS and VISARD_DEVICE say what each of them runs; with cuda it takes a GPU.
    """
    if fewest > most:
        raise click.BadParameter("fewer than --min", param_hint="--max")
    settings = Settings()
    if settings.engine != "ray":
        raise SettingsInvalid("VISARD_ENGINE=ray is needed")
    access = cluster_access(settings, settings.ray_address)
    with closing(join_cluster(settings, settings.ray_address)):
        from service.cluster.replica import Deployment, deploy

        deploy(
            Deployment(
                weights=weights_on_nodes(settings),
                device=settings.device,
                replicas=(fewest, most),
                queue_limit=settings.queue_limit,
                guarded=access.guarded,
            )
        )
    print(f"the engine is deployed: {fewest} to {most} replicas")
