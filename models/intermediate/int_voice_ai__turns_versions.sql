{%- set build = voice_ai_analytics.this_build() -%}

with in_doubt as (

    select
        rolled_up.platform,
        rolled_up.session_id,
        sessions.session_key,
        rolled_up.rejected_turn_count > 0 or rolled_up.turn_index_range >= 63 or sessions.session_key is null as is_settled_here
    from {{ ref('int_voice_ai__turns_rolled_up') }} as rolled_up
    left join {{ ref('int_voice_ai__sessions') }} as sessions
        on rolled_up.platform = sessions.platform and rolled_up.session_id = sessions.session_id
    where rolled_up.is_in_doubt or sessions.session_key is null

),

turns as (

    select
        given.*,
        in_doubt.session_key,
        coalesce(in_doubt.is_settled_here, true) as is_settled_here
    from {{ voice_ai_analytics.rows_of_build('turns', build) }} as given
    left join in_doubt on given.platform = in_doubt.platform and given.session_id = in_doubt.session_id
    where in_doubt.session_id is not null or given.platform is null or given.session_id is null

),

repeated as (

    select session_key, turn_id
    from turns
    where quarantine_reasons is null and session_key is not null
    group by session_key, turn_id
    having count(*) > 1 or count(value_quarantine_reasons) > 0

),

-- Sorts only the rows that need a decision: sorting all rows is many times the work.
ranked as (

    select
        turns.*,
        cast(row_number() over (
            partition by turns.session_key, turns.turn_id
            order by {{ voice_ai_analytics.latest_first('turns', ['value_quarantine_reasons', 'unreadable_values'], 'turns') }}
        ) as integer) as version_number
    from turns
    inner join repeated on turns.session_key = repeated.session_key and turns.turn_id = repeated.turn_id
    where turns.quarantine_reasons is null
    union all
    select
        turns.*,
        case when turns.quarantine_reasons is null and turns.session_key is not null then 1 end as version_number
    from turns
    left join repeated on turns.session_key = repeated.session_key and turns.turn_id = repeated.turn_id
    where
        (repeated.turn_id is null or turns.quarantine_reasons is not null)
        and (turns.is_settled_here or turns.session_key in (select again.session_key from repeated as again))

),

rejected_sessions as (

    select distinct platform, session_id
    from {{ ref('int_voice_ai__sessions_versions') }}
    where quarantine_reasons is not null

)

select
    ranked.{{ voice_ai_analytics.input_contract('turns').columns.keys() | join(',
    ranked.') }},
    ranked.speaking_seconds,
    ranked.unreadable_values,
    ranked.value_quarantine_reasons,
    ranked.session_key,
    nullif(concat_ws(
        ', ',
        ranked.quarantine_reasons,
        case
            when ranked.session_key is not null or ranked.platform is null or ranked.session_id is null then null
            when rejected_sessions.session_id is not null then 'quarantined_session'
            else 'unknown_session'
        end
    ), '') as quarantine_reasons,
    ranked.version_number
from ranked
left join rejected_sessions
    on ranked.platform = rejected_sessions.platform and ranked.session_id = rejected_sessions.session_id
