# syntax=docker/dockerfile:1
# Proven without an engine by tests/whole/container.py, which runs these steps in a fresh Debian root.

# The base is pinned to the digest of all its platforms; dependabot renews tag and digest (SECURITY.md).

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS wheel
WORKDIR /src
RUN python -m venv /opt/build
COPY requirements.lock requirements-build.lock ./
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes \
    --requirement requirements.lock --requirement requirements-build.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY newsletter newsletter
COPY templates templates
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
RUN python -m venv /opt/newsletter
COPY requirements.lock ./
RUN /opt/newsletter/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY --from=wheel /wheels /wheels
RUN /opt/newsletter/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
 && /opt/newsletter/bin/pip uninstall --yes pip

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="arxiv-newsletter" \
      org.opencontainers.image.description="A daily arXiv digest by mail" \
      org.opencontainers.image.source="https://github.com/arxiv-newsletter/arxiv-newsletter" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/newsletter /opt/newsletter
ENV PATH=/opt/newsletter/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1
# Numeric, so that Kubernetes can tell that it is not root; a volume made here belongs to it.
RUN install --directory --owner=10001 --group=10001 /data
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
# Asked of a container that stays (`newsletter schedule`): its first run may be a day away.
HEALTHCHECK --interval=15m --timeout=30s --start-period=26h \
  CMD ["newsletter", "status", "--max-age", "26h"]
ENTRYPOINT ["newsletter"]
CMD ["run"]
