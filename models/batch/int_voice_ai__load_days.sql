{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ voice_ai_analytics.forget_load_days() }}"
) }}

{#- Hashes cover every column of sessions and users, but only numbers and timestamps of turns: reading the text of all
    turns in every build would cost more than the rest of a batch. -#}
{%- set hashed = {
    'sessions': voice_ai_analytics.input_contract('sessions').columns.keys() | list,
    'turns': ['turn_index', 'started_at', 'updated_at', 'loaded_at'],
    'users': voice_ai_analytics.input_contract('users').columns.keys() | list + voice_ai_analytics.user_attributes()
} -%}

{% for table in ['sessions', 'turns', 'users'] %}
{%- set input = ref('input_voice_ai__' ~ table) %}
{%- set columns = voice_ai_analytics.input_columns(input, table) %}
select
    '{{ invocation_id }}' as build_id,
    '{{ table }}' as table_name,
    coalesce(cast(loaded_on as {{ dbt.type_string() }}), 'unknown') as loaded_on,
    count(*) as row_count,
    cast(sum(row_hash) as {{ dbt.type_string() }}) as row_hash,
    max(case when loaded_on is not null then loaded_at end) as newest_loaded_at
from (
    select
        loaded_at,
        row_hash,
        case when not ({{ voice_ai_analytics.is_out_of_time('loaded_at') }}) then cast(loaded_at as date) end as loaded_on
    from (
        select
            {{ voice_ai_analytics.read_timestamp(columns, 'loaded_at') }} as loaded_at,
            {{ voice_ai_analytics.row_hash(hashed[table] | select('in', columns.keys() | list) | list or ["''"]) }} as row_hash
        from {{ input }}
    ) as given
) as {{ table }}
-- Grouping by the text of the date would take three times as long.
group by loaded_on
{{ "union all" if not loop.last }}
{% endfor %}
