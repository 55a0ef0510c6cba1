{{ config(enabled=voice_ai_analytics.is_platform_on('retell')) }}

{%- for criterion in ['call_successful', 'user_sentiment'] %}
{%- if not loop.first %}

union all
{% endif %}
select
    '{{ criterion }}' as evaluation_id,
    session_id,
    'retell' as platform,
    '{{ criterion }}' as criterion,
    'model' as evaluator,
    {{ criterion if criterion == 'call_successful' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as passed,
    {{ criterion if criterion == 'user_sentiment' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as label,
    loaded_at as updated_at,
    loaded_at
from {{ ref('retell__sessions') }}
where payload_rank = 1 and session_id is not null and {{ criterion }} is not null
{%- endfor %}
