{{ config(materialized='table') }}

{%- set consumer_mapping = var('voice_ai_outcome_mapping', none) %}

with mapping as (

    select platform, outcome_raw, outcome, 2 as precedence
    from {{ ref('voice_ai_outcomes') }}
    {% if consumer_mapping %}
    union all

    -- dbt doesn't load a seed column as text if all of its values are numbers or blank.
    select
        cast(platform as {{ dbt.type_string() }}),
        cast(outcome_raw as {{ dbt.type_string() }}),
        cast(outcome as {{ dbt.type_string() }}),
        1 as precedence
    from {{ ref(consumer_mapping) }}
    {% endif %}

),

normalised as (

    select
        coalesce(nullif(trim(platform), ''), '*') as platform,
        {{ voice_ai_analytics.normalised_code('trim(outcome_raw)') }} as outcome_code,
        lower(trim(outcome)) as outcome,
        precedence
    from mapping
    where trim(outcome_raw) <> ''

),

ranked as (

    select
        *,
        row_number() over (partition by platform, outcome_code order by precedence, outcome) as choice
    from normalised

)

select platform, outcome_code, outcome
from ranked
where choice = 1
