{%- set build = voice_ai_analytics.this_build() -%}
{%- set versions = ref('int_voice_ai__turns_versions') -%}
{%- set attributes = ['region', 'has_disability', 'is_first_time_digital_user'] + voice_ai_analytics.user_attributes() -%}
{%- set journey = voice_ai_analytics.journey_columns() -%}
{%- set sums = voice_ai_analytics.turn_sums().keys() | list + ['repeated_turn_index_count'] -%}
{%- set speaking = ['user_speaking_seconds', 'assistant_speaking_seconds'] -%}
{%- set totals = ['asr_confidence_sum', 'intent_confidence_sum'] + speaking -%}
{%- set load_times = ['first_loaded_at', 'last_loaded_at'] -%}
{%- set counts = sums | reject('in', totals + load_times) | list -%}
{%- set errors = voice_ai_analytics.error_counts() -%}
{%- set given = voice_ai_analytics.session_columns() -%}
{%- set columns = given + counts + totals | reject('in', speaking) | list + load_times %}
{%- set is_timed = 'untimed_turn_count = 0 and user_turn_count + assistant_turn_count > 0' %}

-- depends_on: {{ ref('stg_voice_ai__sessions_typed') }} {{ ref('int_voice_ai__sessions_to_rebuild') }}
with turns as (

    select platform, session_id, {{ sums | join(', ') }}
    from {{ ref('int_voice_ai__turns_rolled_up') }} as rolled_up
    where
        not exists (
            select 1 from {{ versions }} as versions
            where versions.platform = rolled_up.platform and versions.session_id = rolled_up.session_id
        )
    union all
    select
        platform,
        session_id,
        {{ voice_ai_analytics.turn_sums().values() | join(', ') }},
        count(*) - count(distinct turn_index) as repeated_turn_index_count
    from {{ versions }}
    where version_number = 1
    group by platform, session_id

),

joined as (

    select
        sessions.{{ (given + journey) | join(', sessions.') }},
        sessions.is_deleted_upstream,
        {%- for name in counts + totals %}
        {%- set sum = 'coalesce(turns.' ~ name ~ ', sessions.' ~ name ~ ')' if build.fact else 'turns.' ~ name %}
        {%- if name in errors %}
        case when reporting.platform is not null then cast(coalesce({{ sum }}, 0) as integer) end as {{ name }},
        {%- else %}
        {{ 'cast(coalesce(' ~ sum ~ ', 0) as integer)' if name in counts else sum }} as {{ name }},
        {%- endif %}
        {%- endfor %}
        {%- for name, choose in [('first_loaded_at', 'least'), ('last_loaded_at', 'greatest')] %}
        {{ choose }}(sessions.loaded_at, turns.{{ name }}{{ ', sessions.' ~ name if build.fact }}) as {{ name }},
        {%- endfor %}
        users.{{ attributes | join(', users.') }},
        sessions.outcome not in ('not_connected', 'voicemail', 'in_progress', 'unknown') as is_eligible
    from {{ ref('int_voice_ai__user_journeys') }} as sessions
    -- Left joins keep sessions without turns and sessions of unknown users.
    left join turns
        on sessions.platform = turns.platform and sessions.session_id = turns.session_id and sessions.is_in_source
    left join {{ ref('int_voice_ai__users') }} as users on sessions.user_key = users.user_key
    left join {{ voice_ai_analytics.platforms_that_report_errors(build) }} as reporting
        on sessions.platform = reporting.platform

)

select
    {{ columns | join(',
    ') }},
    is_deleted_upstream,
    {{ attributes | join(',
    ') }},
    is_eligible,
    user_turn_count >= {{ var('voice_ai_engaged_min_user_turns', 1) | int }} as is_engaged,
    outcome = 'completed' as is_completed,
    outcome = 'abandoned' as is_abandoned,
    outcome = 'transferred' as is_transferred,
    is_eligible and outcome <> 'transferred' as is_contained,
    transfer_reason is not null and outcome <> 'transferred' as has_unexplained_transfer_reason,
    error_turn_count > 0 as has_error,
    cast(error_turn_count as double precision) / nullif(turn_count, 0) as error_turn_proportion,
    asr_confidence_sum / nullif(asr_confidence_count, 0) as asr_confidence_mean,
    {{ voice_ai_analytics.confidence_band('asr_confidence_sum / nullif(asr_confidence_count, 0)') }} as asr_confidence_band,
    intent_confidence_sum / nullif(intent_confidence_count, 0) as intent_confidence_mean,
    {%- for name in speaking %}
    case when {{ is_timed }} then coalesce({{ name }}, 0) end as {{ name }},
    {%- endfor %}
    case
        when {{ is_timed }} and duration_seconds is not null
            then greatest(duration_seconds - coalesce(user_speaking_seconds, 0) - coalesce(assistant_speaking_seconds, 0), 0)
    end as silence_seconds,
    csat_score >= 5 as is_csat_top_box,
    resolution = 'resolved' as is_resolved,
    {{ journey | join(',
    ') }},
    user_session_number > 1 as is_repeat_user_session
from joined
