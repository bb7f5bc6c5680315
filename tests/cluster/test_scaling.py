"""What Ray Serve is told about adding and removing replicas."""

from typing import Any

import pytest

from service.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_one_service_can_keep_a_second_replica_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.cluster import replica

    deployed: list[Any] = []
    monkeypatch.setattr(replica, "require_safe", lambda _: None)
    monkeypatch.setattr(replica.serve, "start", lambda **_: None)
    monkeypatch.setattr(replica.serve, "run", lambda application, **_: deployed.append(application))
    replica.deploy(replica.Deployment(weights=None, device="cpu", replicas=(1, 8), queue_limit=32, guarded=False))
    scaling = deployed[0]._bound_deployment._deployment_config.autoscaling_config
    # As Ray computes it: requests under way by what is sought of each replica.
    assert Settings.model_fields["operations"].default / scaling.target_ongoing_requests >= 2
    assert (scaling.min_replicas, scaling.max_replicas) == (1, 8)
    # Another deployment keeps as many as there are.
    assert scaling.initial_replicas is None
