#!/bin/sh
# From a directory of raw files to what dashboards read; again whenever there is something new.
set -eu
voice-ai load --raw "$1"
dbt build
if [ -f "$1/asr_references.csv" ]; then
  voice-ai evaluate-asr --input "$1/asr_references.csv" --normalizer basic
  dbt build --select fact_voice_ai_asr_evaluations
fi
voice-ai export-metrics
voice-ai create-roles
