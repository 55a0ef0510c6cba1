-- Published together with the fact, after the same tests.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}
{% for table in ['sessions', 'turns', 'users'] %}
select
    '{{ table }}' as table_name,
    reason,
    count(*) as quarantined_rows
from (
    select {{ voice_ai_analytics.split_to_rows('quarantine_reasons', ', ') }} as reason
    from {{ ref('quarantine_voice_ai__' ~ table) }}
) as reasons
group by reason
{{ "union all" if not loop.last }}
{% endfor %}
