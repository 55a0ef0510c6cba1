#!/bin/sh
# Migrates Superset's database, creates an admin, then starts the server.
set -eu
superset db upgrade
superset init
# It asks for the password twice; as an argument every process could read it.
printf '%s\n%s\n' "$SUPERSET_ADMIN_PASSWORD" "$SUPERSET_ADMIN_PASSWORD" | superset fab create-admin \
  --username admin --firstname VoiceAI --lastname Admin --email admin@localhost
exec gunicorn --bind 0.0.0.0:8088 --workers 1 --worker-class gthread --threads 8 \
  --timeout 120 "superset.app:create_app()"
