# The images of docker-compose.yml: the pipeline, Superset, and Lightdash's command line.

FROM python:3.11.14-slim-bookworm AS pipeline
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 DO_NOT_TRACK=1
WORKDIR /voice-ai
# So that a change to the package doesn't reinstall its dependencies.
COPY deploy/requirements.txt pyproject.toml hatch_build.py README.md LICENSE ./
COPY scripts/voice_ai_analytics/__init__.py scripts/voice_ai_analytics/
RUN pip install --require-hashes --requirement requirements.txt && pip install --no-deps --editable .
COPY . .
# Volumes inherit the owner of the directories that they cover.
RUN useradd --create-home voice_ai \
    && mkdir -p /raw demo/target demo/logs \
    && voice-ai deps --project-dir demo \
    && chown -R voice_ai /raw demo
USER voice_ai
WORKDIR /voice-ai/demo
CMD ["voice-ai", "--help"]

FROM python:3.11.14-slim-bookworm AS superset
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
# The versions that are tested; Superset's own image has no PostgreSQL driver.
COPY bi/superset/requirements.txt /requirements.txt
RUN pip install --require-hashes --requirement /requirements.txt && useradd --create-home superset
COPY bi/superset/superset_config.py deploy/superset.sh /superset/
ENV FLASK_APP="superset.app:create_app()" SUPERSET_CONFIG_PATH=/superset/superset_config.py
USER superset
CMD ["/superset/superset.sh"]

FROM node:22.21.1-bookworm-slim AS node

FROM pipeline AS lightdash-cli
USER root
COPY --from=node /usr/local/bin/node /usr/local/bin/
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && npm install --global @lightdash/cli@2.269.0
USER voice_ai
