# Visard with its weights. CPU by default; for an NVIDIA card: --build-arg TORCH=cu130, and VISARD_DEVICE=cuda at run time.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH=cpu
# A mirror takes the place of either index with --build-arg.
ARG TORCH_INDEX=https://download.pytorch.org/whl/${TORCH}
ARG PACKAGE_INDEX=https://pypi.org/simple
# Traces; `otel,ray` for a service that asks a Ray cluster.
ARG EXTRAS=otel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
# The environment has no pip of its own: nothing can be installed into the final image.
RUN python -m venv --without-pip /opt/visard
# torch first and in a layer by itself: the largest one, and what follows must accept it, not replace it.
# hadolint ignore=DL3059
RUN pip --python /opt/visard/bin/python install --index-url "${TORCH_INDEX}" torch==2.13.0
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY migrations migrations
# Visard itself, which has no version to pin.
# hadolint ignore=DL3013
RUN pip --python /opt/visard/bin/python install --index-url "${PACKAGE_INDEX}" ".[${EXTRAS}]"

FROM ${PYTHON_IMAGE}
# Two libraries that OpenCV needs; pip goes, for it is not needed.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && python -m pip uninstall -y --root-user-action=ignore pip \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/visard --shell /usr/sbin/nologin visard \
    && install -d -o visard -g visard -m 0700 /var/lib/visard
COPY --from=build /opt/visard /opt/visard
ENV PATH=/opt/visard/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VISARD_HOME=/var/lib/visard \
    VISARD_HOST=0.0.0.0 \
    VISARD_PORT=8080
# By number, so that Kubernetes can see that it is not root. The root file system may be read-only: all that is written
# is in the home directory.
USER 10001:10001
WORKDIR /var/lib/visard
VOLUME /var/lib/visard
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + os.environ['VISARD_PORT'] + '/livez', timeout=4)"]
ENTRYPOINT ["visard"]
CMD ["serve"]
