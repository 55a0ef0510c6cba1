{{ config(enabled=var('voice_ai_snapshot', true)) }}

{%- set rule = voice_ai_analytics.settling_rule() %}
{%- set horizon = rule.horizon_days %}

with sessions as (

    select
        versions.session_key,
        cast(min(versions.started_at) as date) as started_on,
        greatest(cast(min(versions.dbt_valid_from) as date) - cast(min(versions.started_at) as date), 0) as first_age,
        (select max(cast(certified_at as date)) from {{ ref('voice_ai_builds') }})
        - cast(min(versions.started_at) as date) as last_age
    from {{ ref('voice_ai_session_outcomes') }} as versions
    group by versions.session_key

),

-- A session is first seen at some age, and again at each change. Several changes on one day count as one.
sightings as (

    select
        session_key,
        first_age as age,
        0 as is_changed,
        last_age
    from sessions
    union all
    select
        changes.session_key,
        cast(changes.changed_at as date) - sessions.started_on as age,
        1 as is_changed,
        max(sessions.last_age) as last_age
    from {{ ref('fact_voice_ai_outcome_changes') }} as changes
    inner join sessions on changes.session_key = sessions.session_key
    where changes.is_outcome_change
    group by changes.session_key, cast(changes.changed_at as date) - sessions.started_on

),

-- From each sighting to the next change, or to the end of history.
spells as (

    select
        age as from_age,
        coalesce(lead(age) over later_changes, last_age) as until_age,
        lead(age) over later_changes is not null as is_change
    from sightings
    window later_changes as (partition by session_key order by age, is_changed)

),

counted_spells as (

    select
        from_age,
        least(until_age, {{ horizon }}) as until_age,
        is_change and until_age <= {{ horizon }} as is_change,
        count(*) as spells
    from spells
    where from_age < {{ horizon }} and until_age > from_age
    group by from_age, least(until_age, {{ horizon }}), is_change and until_age <= {{ horizon }}

),

ages as (

    {% for age in range(horizon) %}select {{ age }} as age_days{{ " union all " if not loop.last }}{% endfor %}

),

-- Sessions observed at each age, by the age up to which they were followed from there.
followed as (

    select
        ages.age_days,
        counted_spells.until_age,
        sum(counted_spells.spells) as sessions,
        sum(case when counted_spells.is_change then counted_spells.spells else 0 end) as changes,
        sum(sum(counted_spells.spells)) over (partition by ages.age_days order by counted_spells.until_age desc)
            as sessions_at_risk
    from ages
    inner join counted_spells on ages.age_days >= counted_spells.from_age and ages.age_days < counted_spells.until_age
    group by ages.age_days, counted_spells.until_age

),

-- Kaplan-Meier estimate from each age on: the product of the shares that didn't change at each later age.
estimated as (

    select
        age_days,
        sum(sessions) as sessions,
        sum(case when until_age = {{ horizon }} then sessions else 0 end) as sessions_at_horizon,
        sum(changes) as changed_sessions,
        min(case when changes = sessions_at_risk then 0 else 1 end)
        * exp(coalesce(sum(ln(nullif(1 - cast(changes as double precision) / sessions_at_risk, 0))), 0))
            as settled_proportion
    from followed
    group by age_days

)

select
    ages.age_days,
    cast(coalesce(estimated.sessions, 0) as bigint) as sessions,
    cast(coalesce(estimated.sessions_at_horizon, 0) as bigint) as sessions_at_horizon,
    cast(coalesce(estimated.changed_sessions, 0) as bigint) as changed_sessions,
    case
        when estimated.sessions_at_horizon >= {{ rule.min_sessions }}
            -- The last digits differ between engines.
            then cast(round(cast(estimated.settled_proportion as numeric(18, 9)), 6) as double precision)
    end as settled_proportion
from ages
left join estimated on ages.age_days = estimated.age_days
