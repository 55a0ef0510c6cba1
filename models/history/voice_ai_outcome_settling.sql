{{ config(enabled=var('voice_ai_snapshot', true)) }}
{%- set rule = voice_ai_analytics.settling_rule() %}
{%- set last_age = '(select max(cast(certified_at as date)) from ' ~ ref('voice_ai_builds') ~ ') - started_on' %}
with versions as (

    select
        session_key,
        cast(started_at as date) as started_on,
        cast(dbt_valid_from as date) as seen_on,
        session_key in (
            select session_key from {{ ref('voice_ai_session_outcomes') }}
            where dbt_valid_to is not null
        ) as is_one_of_several
    from {{ ref('voice_ai_session_outcomes') }}

),

sessions as (

    select session_key, min(started_on) as started_on, greatest(min(seen_on) - min(started_on), 0) as first_age
    from versions
    where is_one_of_several
    group by session_key

),

-- A session is first seen at some age, and again at each change. Several changes on one day count as one.
sightings as (

    select session_key, started_on, first_age as age, 0 as is_changed from sessions
    union
    select
        sessions.session_key, sessions.started_on, cast(changes.changed_at as date) - sessions.started_on as age, 1 as is_changed
    from {{ ref('fact_voice_ai_outcome_changes') }} as changes
    inner join sessions on changes.session_key = sessions.session_key
    where changes.is_outcome_change

),

-- From each sighting to the next change or the end of history. Most sessions have one version: they are counted by day.
spells as (

    select
        age as from_age,
        coalesce(lead(age) over later_changes, {{ last_age }}) as until_age,
        lead(age) over later_changes is not null as is_change,
        1 as spells
    from sightings
    window later_changes as (partition by session_key order by age, is_changed)
    union all
    select greatest(seen_on - started_on, 0) as from_age, {{ last_age }} as until_age, false as is_change, count(*) as spells
    from versions
    where not is_one_of_several
    group by seen_on, started_on

),

counted_spells as (

    select
        from_age,
        least(until_age, {{ rule.horizon_days }}) as until_age,
        is_change and until_age <= {{ rule.horizon_days }} as is_change,
        sum(spells) as spells
    from spells
    where from_age < {{ rule.horizon_days }} and until_age > from_age
    group by from_age, least(until_age, {{ rule.horizon_days }}), is_change and until_age <= {{ rule.horizon_days }}

),

ages as (

    {% for age in range(rule.horizon_days) %}select {{ age }} as age_days{{ " union all " if not loop.last }}{% endfor %}

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
        sum(case when until_age = {{ rule.horizon_days }} then sessions else 0 end) as sessions_at_horizon,
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
