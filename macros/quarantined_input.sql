{#- Selects the rows of an optional input table that don't count, with every reason: those that break a rule, those that a
    newer version replaced, and those of a session that isn't certified. -#}
{% macro quarantined_input(table) -%}
{%- set columns = voice_ai_analytics.input_contract(table).columns.keys() | list + ['unreadable_values'] %}
with certified_sessions as (

    select platform, session_id from {{ ref('fact_voice_ai_sessions') }}

),

rejected_sessions as (

    select distinct platform, session_id from {{ ref('quarantine_voice_ai__sessions') }}

)

select
    given.{{ columns | join(',
    given.') }},
    concat_ws(
        ', ',
        given.quarantine_reasons,
        case
            when given.platform is null or given.session_id is null then null
            when certified_sessions.session_id is not null then case when given.version_number > 1 then 'duplicate' end
            when rejected_sessions.session_id is not null then 'quarantined_session'
            else 'unknown_session'
        end
    ) as quarantine_reasons
from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }} as given
left join certified_sessions
    on given.platform = certified_sessions.platform and given.session_id = certified_sessions.session_id
left join rejected_sessions
    on given.platform = rejected_sessions.platform and given.session_id = rejected_sessions.session_id
where given.version_number is null or given.version_number > 1 or certified_sessions.session_id is null
{%- endmacro %}
