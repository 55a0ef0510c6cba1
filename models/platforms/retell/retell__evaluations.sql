{{ config(enabled=voice_ai_analytics.is_platform_on('retell')) }}

{%- set text = dbt.type_string() %}

with analysed as (

    select * from {{ ref('retell__sessions') }}
    where payload_rank = 1 and session_id is not null

)

select
    'call_successful' as evaluation_id,
    session_id,
    'retell' as platform,
    'call_successful' as criterion,
    'model' as evaluator,
    call_successful as passed,
    cast(null as {{ text }}) as label,
    loaded_at as updated_at,
    loaded_at
from analysed
where call_successful is not null

union all

select
    'user_sentiment' as evaluation_id,
    session_id,
    'retell' as platform,
    'user_sentiment' as criterion,
    'model' as evaluator,
    cast(null as {{ text }}) as passed,
    -- Anything else is free text, which might repeat what the caller said.
    case when user_sentiment in ('Negative', 'Positive', 'Neutral', 'Unknown') then user_sentiment end as label,
    loaded_at as updated_at,
    loaded_at
from analysed
where user_sentiment is not null
