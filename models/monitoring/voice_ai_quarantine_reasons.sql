-- Published together with the fact, after the same tests.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}
with reasons as (
    {% for table in ['sessions', 'turns', 'users', 'tool_calls', 'evaluations'] %}
    select
        '{{ table }}' as table_name,
        {{ voice_ai_analytics.split_to_rows('quarantine_reasons', ', ') }} as reason
    from {{ ref('quarantine_voice_ai__' ~ table) }}
    union all
    {%- endfor %}
    select
        table_name,
        {{ voice_ai_analytics.split_to_rows('quarantine_reasons', ', ') }} as reason
    from {{ ref('quarantine_voice_ai__values') }}

)

select
    table_name,
    reason,
    count(*) as quarantined_rows
from reasons
group by table_name, reason
