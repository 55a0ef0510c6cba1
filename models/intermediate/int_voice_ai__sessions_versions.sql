{%- set build = voice_ai_analytics.this_build() -%}
{{ voice_ai_analytics.versions(
    'sessions',
    voice_ai_analytics.rows_of_build('sessions', build),
    ['platform', 'session_id'],
    ['is_started_at_time_known', 'value_quarantine_reasons', 'unreadable_values']
) }}
