{% snapshot voice_ai_session_outcomes %}

{{ config(
    enabled=var('voice_ai_snapshot', true),
    schema='voice_ai',
    unique_key='session_key',
    strategy='check',
    check_cols='all',
    updated_at=voice_ai_analytics.to_utc('current_timestamp'),
    post_hook=[
        "{{ voice_ai_analytics.end_versions_of_sessions_that_left() }}",
        "{{ voice_ai_analytics.analyze_table() }}"
    ]
) }}

-- Reads the certified fact, so that only tested sessions enter history.
-- depends_on: {{ ref('int_voice_ai__sessions_to_rebuild') }}
select *
from {{ ref('fact_voice_ai_sessions') }}
{%- set candidate = ref('int_voice_ai__sessions_candidate') %}
{%- set build = voice_ai_analytics.this_build() %}
{%- if load_relation(this) and build.is_history_whole %}
-- Nothing else has changed since the last build.
where session_key in (select session_key from {{ candidate }})
{%- endif %}

{% endsnapshot %}
