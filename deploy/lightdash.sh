#!/bin/sh
# Deploys metrics and dashboards to Lightdash. Its options go to lightdash deploy; the first time,
# --create and the project's name.
set -eu
voice-ai lightdash-manifest
lightdash login "$LIGHTDASH_URL" --token "$LIGHTDASH_API_KEY"
lightdash deploy --skip-dbt-compile --target-path target/lightdash "$@"
lightdash upload --force --path /voice-ai/bi/lightdash
