{#- What the package's promises rest on, as a dictionary from a setting to its value and the nodes that must have it. dbt
    lets a host project override every setting of an installed package. Other nodes may be set as the host likes. -#}
{% macro configuration_to_keep() -%}
    {%- set stored_by_batch = [
        'fact_voice_ai_sessions', 'fact_voice_ai_turns', 'int_voice_ai__load_days', 'quarantine_voice_ai__sessions',
        'quarantine_voice_ai__turns', 'quarantine_voice_ai__users', 'quarantine_voice_ai__values', 'voice_ai_builds'
    ] -%}
    {%- set written_once = [
        'fact_voice_ai_asr_evaluations', 'int_voice_ai__build', 'int_voice_ai__sessions_candidate',
        'int_voice_ai__sessions_to_rebuild', 'int_voice_ai__sessions_versions', 'int_voice_ai__turns_rolled_up',
        'int_voice_ai__turns_versions', 'int_voice_ai__users_versions', 'stg_voice_ai__outcome_mapping',
        'stg_voice_ai__tool_calls_typed', 'stg_voice_ai__evaluations_typed', 'fact_voice_ai_tool_calls',
        'fact_voice_ai_evaluations', 'quarantine_voice_ai__tool_calls', 'quarantine_voice_ai__evaluations'
    ] -%}
    {{ return({
        'materialized': {
            'incremental': stored_by_batch + ['int_voice_ai__users', 'stg_voice_ai__salt'],
            'table': written_once
        },
        'incremental_strategy': {'append': stored_by_batch, 'delete+insert': ['int_voice_ai__users']},
        'on_schema_change': {
            'append_new_columns': stored_by_batch + ['int_voice_ai__users'],
            'ignore': ['stg_voice_ai__salt']
        },
        'full_refresh': {false: ['stg_voice_ai__salt']},
        'strategy': {'check': ['voice_ai_session_outcomes']},
        'check_cols': {'all': ['voice_ai_session_outcomes']},
        'unique_key': {'session_key': ['voice_ai_session_outcomes'], 'user_key': ['int_voice_ai__users']},
        'dbt_valid_to_current': {none: ['voice_ai_session_outcomes']}
    }) }}
{%- endmacro %}
