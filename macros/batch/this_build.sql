{#- What the build at hand reads, as a dictionary: `is_full`, and for a batch the ends of its windows as timestamp
    literals (see int_voice_ai__build). Unit tests replace it. -#}
{% macro this_build() -%}
    {%- set build = ref('int_voice_ai__build') -%}
    {%- if not execute or not load_relation(build) -%} {{ return({'is_full': true}) }} {%- endif -%}
    {%- set row = run_query('select * from ' ~ build).rows[0] -%}
    {%- set found = {
        'is_full': row['is_full'],
        'is_history_whole': row['is_history_whole'],
        'is_session_count_off': row['is_session_count_off'],
        'fact': voice_ai_analytics.as_built('fact_voice_ai_sessions') if row['has_fact'],
        'quarantined_sessions': voice_ai_analytics.as_built('quarantine_voice_ai__sessions'),
        'quarantined_turns': voice_ai_analytics.as_built('quarantine_voice_ai__turns'),
        'quarantined_users': voice_ai_analytics.as_built('quarantine_voice_ai__users')
    } -%}
    {%- for name in ['started_at', 'sessions_from', 'sessions_until', 'turns_from', 'turns_until', 'users_from', 'users_until', 'certified_at'] -%}
        {%- do found.update({name: voice_ai_analytics.timestamp_literal(row[name])}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#- A model's relation as an earlier build left it; none where it is not there yet. Models read by it what is already
    certified. That cannot be a ref: the certified model depends on them. -#}
{% macro as_built(model_name) -%}
    {%- set node = graph.nodes['model.voice_ai_analytics.' ~ model_name] -%}
    {{ return(load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    ))) }}
{%- endmacro %}


{#- A value read from the warehouse as a timestamp literal; none stays none. -#}
{% macro timestamp_literal(value) -%}
    {%- if value is none -%} {{ return(none) }} {%- endif -%}
    {{ return("cast('" ~ value ~ "' as timestamp)") }}
{%- endmacro %}
