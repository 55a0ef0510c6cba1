{{ config(
    pre_hook="{{ voice_ai_analytics.remove_replaced_rows(
        'row_id is not null or (platform, session_id) in (select platform, session_id from '
        ~ ref('int_voice_ai__sessions_to_rebuild') ~ ')'
    ) }}"
) }}

-- Updated together with the fact, so that both always describe the same rows.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}
-- depends_on: {{ ref('int_voice_ai__build') }}
-- depends_on: {{ ref('int_voice_ai__sessions_to_rebuild') }}
{% for table in ['sessions', 'turns'] %}
select
    '{{ table }}' as table_name,
    platform,
    session_id,
    {{ 'turn_id' if table == 'turns' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as turn_id,
    cast(null as {{ dbt.type_string() }}) as row_id,
    loaded_at,
    unreadable_values,
    value_quarantine_reasons as quarantine_reasons
from {{ ref('int_voice_ai__' ~ table ~ '_versions') }}
where version_number = 1 and value_quarantine_reasons is not null
union all
{%- endfor %}
{%- for table, id in {'tool_calls': 'tool_call_id', 'evaluations': 'evaluation_id'}.items() %}
select
    '{{ table }}' as table_name,
    given.platform,
    given.session_id,
    given.turn_id,
    given.{{ id }} as row_id,
    given.loaded_at,
    given.unreadable_values,
    given.value_quarantine_reasons as quarantine_reasons
from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }} as given
inner join {{ ref('fact_voice_ai_sessions') }} as certified_sessions
    on given.platform = certified_sessions.platform and given.session_id = certified_sessions.session_id
where given.version_number = 1 and given.value_quarantine_reasons is not null
{{ "union all" if not loop.last }}
{%- endfor %}
