{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns'
) }}

-- Written last, so a build that is stopped before this leaves no row, and the next one reads the same rows again.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}
{%- for table in ['sessions', 'turns', 'users', 'values', 'tool_calls', 'evaluations'] %}
-- depends_on: {{ ref('quarantine_voice_ai__' ~ table) }}
{%- endfor %}
-- depends_on: {{ ref('fact_voice_ai_tool_calls') }} {{ ref('fact_voice_ai_evaluations') }}
{%- if var('voice_ai_fact_turns', false) %}
-- depends_on: {{ ref('fact_voice_ai_turns') }}
{%- endif %}
{%- if var('voice_ai_snapshot', true) %}
-- depends_on: {{ ref('voice_ai_session_outcomes') }}
{%- endif %}

select
    build_id,
    started_at,
    {{ voice_ai_analytics.to_utc('current_timestamp') }} as certified_at,
    is_full,
    rules,
    sessions_until,
    turns_until,
    users_until,
    raw_session_rows,
    (select count(*) from {{ ref('int_voice_ai__sessions_candidate') }}) as sessions_written,
    cast(null as timestamp) as replaced_at
from {{ ref('int_voice_ai__build') }}
{%- if is_incremental() %}
where build_id not in (select written.build_id from {{ this }} as written)
{%- endif %}
