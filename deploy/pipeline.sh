#!/bin/sh
# From a directory of raw files to what dashboards read; again whenever there is something new.
set -eu
voice-ai load --raw "$1"
dbt build
voice-ai export-metrics
voice-ai create-roles
