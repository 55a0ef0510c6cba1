{{ config(
    pre_hook="{{ voice_ai_analytics.remove_replaced_rows(
        '(platform, session_id) in (select platform, session_id from ' ~ ref('int_voice_ai__sessions_to_rebuild') ~ ')'
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
    loaded_at,
    unreadable_values,
    value_quarantine_reasons as quarantine_reasons
from {{ ref('int_voice_ai__' ~ table ~ '_versions') }}
where version_number = 1 and value_quarantine_reasons is not null
{{ "union all" if not loop.last }}
{%- endfor %}
