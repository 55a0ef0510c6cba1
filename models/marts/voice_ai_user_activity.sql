{{ config(enabled=var('voice_ai_semantic_models', true), materialized='view') }}

with sessions as (

    select
        session_key,
        user_key,
        cast(started_at as date) as started_on
    from {{ ref('fact_voice_ai_sessions') }}
    where user_key is not null

),

-- No one can be active after the newest day in the data.
data_horizon as (

    select max(cast(started_at as date)) as last_day from {{ ref('fact_voice_ai_sessions') }}

),

days as (
    {% for days_after in range(7) %}
    select {{ days_after }} as days_after{{ " union all" if not loop.last }}
    {%- endfor %}

)

select
    sessions.session_key || '-' || cast(days.days_after as {{ dbt.type_string() }}) as activity_key,
    sessions.session_key,
    sessions.user_key,
    sessions.started_on + days.days_after as counted_on
from sessions
cross join days
cross join data_horizon
where sessions.started_on + days.days_after <= data_horizon.last_day
