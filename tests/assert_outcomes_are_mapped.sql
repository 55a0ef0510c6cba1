-- Mistake prevented: a platform's new outcome silently counts as unknown in every rate.
{{ config(severity='warn', fail_calc='coalesce(sum(session_count), 0)') }}

select
    platform,
    outcome_raw,
    count(*) as session_count
from {{ ref('int_voice_ai__sessions_candidate') }}
where
    outcome = 'unknown'
    and outcome_raw is not null
    and {{ voice_ai_analytics.normalised_code('outcome_raw') }} not in (
        select outcome_code
        from {{ ref('stg_voice_ai__outcome_mapping') }}
        where outcome = 'unknown'
    )
group by platform, outcome_raw
