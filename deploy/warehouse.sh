#!/bin/sh
# PostgreSQL runs this once, when its volume is new. The pipeline isn't a superuser: it owns one
# database and may make roles, which voice-ai create-roles does.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 <<'SQL'
\getenv password VOICE_AI_PIPELINE_PASSWORD
create role voice_ai_pipeline login createrole password :'password';
create database voice_ai owner voice_ai_pipeline;
revoke all on database voice_ai from public;
SQL
