{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set columns = [
    'session_id', 'platform', 'user_id', 'channel', 'language', 'started_at', 'is_started_at_time_known', 'ended_at',
    'duration_seconds', 'turn_count', 'outcome_raw', 'transfer_reason', 'bot_version', 'asr_model', 'csat_score',
    'cost_usd', 'updated_at', 'loaded_at', 'unreadable_values'
] %}

select
    {{ columns | join(', ') }},
    quarantine_reasons
from {{ voice_ai_analytics.rows_of_build('sessions', build) }}
where quarantine_reasons is not null

union all

select
    {{ columns | join(', ') }},
    'duplicate' as quarantine_reasons
from {{ ref('stg_voice_ai__sessions_repeated') }}
where version_number > 1
