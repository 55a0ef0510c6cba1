{%- set error_types = ['misunderstanding', 'no_input', 'noise', 'no_match', 'repeat', 'other'] -%}

with user_confidence as (

    select
        *,
        case when speaker = 'user' then asr_confidence end as user_asr_confidence
    from {{ ref('stg_voice_ai__turns_latest') }}

),

-- One bit a turn number, 63 numbers a round: exact for all sessions but those whose numbers lie further apart.
rolled_up as (

    select
        platform,
        session_id,
        count(*) as turn_count,
        {%- for speaker in ['user', 'assistant', 'system'] %}
        count(case when speaker = '{{ speaker }}' then 1 end) as {{ speaker }}_turn_count,
        {%- endfor %}
        {{ voice_ai_analytics.count_bits('bit_or(cast(1 as bigint) << (turn_index % 63))') }} as turn_index_bits,
        max(turn_index) - min(turn_index) as turn_index_range,
        count(error_type) as error_turn_count,
        {%- for error_type in error_types %}
        count(case when error_type = '{{ error_type }}' then 1 end) as {{ error_type }}_turn_count,
        {%- endfor %}
        sum(user_asr_confidence) as asr_confidence_sum,
        count(user_asr_confidence) as asr_confidence_count,
        count(
            case when user_asr_confidence < {{ var('voice_ai_low_asr_confidence', 0.5) | float }} then 1 end
        ) as low_asr_confidence_count,
        sum(intent_confidence) as intent_confidence_sum,
        count(intent_confidence) as intent_confidence_count,
        count(is_interruption) as interruption_known_turn_count,
        count(case when is_interruption then 1 end) as interruption_turn_count,
        min(loaded_at) as first_loaded_at,
        max(loaded_at) as last_loaded_at
    from user_confidence
    group by platform, session_id

),

sessions_of_wide_range as (

    select platform, session_id
    from rolled_up
    where turn_index_range >= 63

),

counted_one_by_one as (

    select
        turns.platform,
        turns.session_id,
        count(distinct turns.turn_index) as distinct_turn_index_count
    from {{ ref('stg_voice_ai__turns_latest') }} as turns
    inner join sessions_of_wide_range
        on turns.platform = sessions_of_wide_range.platform and turns.session_id = sessions_of_wide_range.session_id
    group by turns.platform, turns.session_id

)

select
    rolled_up.*,
    rolled_up.turn_count
    - coalesce(counted_one_by_one.distinct_turn_index_count, rolled_up.turn_index_bits) as repeated_turn_index_count
from rolled_up
left join counted_one_by_one
    on
        rolled_up.platform = counted_one_by_one.platform
        and rolled_up.session_id = counted_one_by_one.session_id
