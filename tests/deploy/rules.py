"""The rules for the Prometheus operator: kustomize reads no file outside its folder, so they are there once more.

``python -m tests.deploy.rules`` writes them, after every change of ``deploy/prometheus/rules``.
"""

import textwrap

from tests.deploy.manifests import KUBERNETES
from tests.deploy.prometheus import SHIPPED

OPERATORS = KUBERNETES / "components/monitoring/rules.yaml"
_HEAD = """\
# Written by `python -m tests.deploy.rules` from deploy/prometheus/rules: change them there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: visard
  labels:
    app.kubernetes.io/name: visard
spec:
  groups:
"""


def as_object() -> str:
    """All groups in one object, with their comments."""
    files = [file.read_text().partition("\ngroups:\n") for file in sorted(SHIPPED.glob("rules/*.yml"))]
    return _HEAD + "".join(textwrap.indent(groups, "  ") for _, _, groups in files)


if __name__ == "__main__":
    OPERATORS.write_text(as_object())
