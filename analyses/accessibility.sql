-- Accessibility: does it work for everyone?
-- One row per cohort. Read each completion rate together with its number of sessions: the rate of a small cohort says
-- little. Cohorts with fewer than voice_ai_min_cohort_size users are left out.
{% set cohorts = ['region', 'has_disability', 'is_first_time_digital_user', 'language'] %}

{% for cohort in cohorts %}
select
    '{{ cohort }}' as cohort,
    cast({{ cohort }} as {{ dbt.type_string() }}) as cohort_value,
    count(distinct user_key) as users,
    sum(case when is_eligible then 1 else 0 end) as eligible_sessions,
    cast(sum(case when is_completed then 1 else 0 end) as double precision)
    / nullif(sum(case when is_eligible then 1 else 0 end), 0) as completion_rate,
    sum(asr_confidence_sum) / nullif(sum(asr_confidence_count), 0) as asr_confidence
from {{ ref('fact_voice_ai_sessions') }}
group by {{ cohort }}
having count(distinct user_key) >= {{ var('voice_ai_min_cohort_size', 5) | int }}
{{ "union all" if not loop.last }}
{% endfor %}
order by cohort, cohort_value
