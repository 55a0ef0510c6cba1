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
        in_doubt.is_settled_here,
        given.quarantine_reasons is null and in_doubt.session_key is not null as is_good
    from {{ voice_ai_analytics.rows_of_build('turns', build) }} as given
    -- No id is blank, so that a blank can stand for null, by which no engine can hash.
    inner join in_doubt
        on
            coalesce(given.platform, '') = coalesce(in_doubt.platform, '')
            and coalesce(given.session_id, '') = coalesce(in_doubt.session_id, '')

),

with_repeated_turns as (

    select session_key
    from turns
    where is_good
    group by session_key, turn_id
    having count(*) > 1

),

rejected_sessions as (

    select distinct platform, session_id
    from {{ ref('int_voice_ai__sessions_versions') }}
    where quarantine_reasons is not null

)

select
    turns.{{ voice_ai_analytics.input_contract('turns').columns.keys() | join(',
    turns.') }},
    turns.unreadable_values,
    turns.session_key,
    nullif(concat_ws(
        ', ',
        turns.quarantine_reasons,
        case
            when turns.session_key is not null or turns.platform is null or turns.session_id is null then null
            when rejected_sessions.session_id is not null then 'quarantined_session'
            else 'unknown_session'
        end
    ), '') as quarantine_reasons,
    case
        when turns.is_good
            then cast(row_number() over (
                partition by turns.session_key, turns.turn_id, turns.is_good
                order by {{ voice_ai_analytics.latest_first('turns', [], 'turns') }}
            ) as integer)
    end as version_number
from turns
left join rejected_sessions
    on turns.platform = rejected_sessions.platform and turns.session_id = rejected_sessions.session_id
where turns.is_settled_here or turns.session_key in (select session_key from with_repeated_turns)
