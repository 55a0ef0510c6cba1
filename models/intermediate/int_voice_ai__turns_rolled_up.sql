{%- set build = voice_ai_analytics.this_build() -%}
{%- set words = 4 -%}
{%- set hash = voice_ai_analytics.text_hash('turn_id') -%}

-- Reads all turn rows once, valid or not. Most sessions have only valid rows, one per turn, and need no more work.
with rolled_up as (

    select
        platform,
        session_id,
        {%- for name, expression in voice_ai_analytics.turn_sums().items() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        count(quarantine_reasons) as rejected_turn_count,
        count(value_quarantine_reasons) as impossible_turn_count,
        -- A turn id sets one bit per word. As many bits as turns prove that no id occurs twice; fewer prove nothing.
        {%- for word in range(words) %}
        {{ voice_ai_analytics.count_bits(
            'bit_or(cast(1 as bigint) << cast((' ~ hash ~ ' >> ' ~ 6 * word ~ ') % 63 as integer))'
        ) }} as turn_id_bits_{{ word }},
        {%- endfor %}
        -- One bit per turn number: exact if they span fewer than 63.
        {{ voice_ai_analytics.count_bits(
            'coalesce(bit_or(case when turn_index >= 0 then cast(1 as bigint) << cast(turn_index % 63 as integer) end), 0)'
        ) }} as turn_index_bits,
        -- Rejected numbers can be so far apart that their difference overflows an integer.
        cast(max(turn_index) as bigint) - min(turn_index) as turn_index_range
    from {{ voice_ai_analytics.rows_of_build('turns', build) }} as turns
    group by platform, session_id

)

select
    *,
    turn_count - turn_index_bits as repeated_turn_index_count,
    (
        rejected_turn_count > 0
        or impossible_turn_count > 0
        or turn_index_range >= 63
        or greatest(
            {%- for word in range(words) %}turn_id_bits_{{ word }}{{ ", " if not loop.last }}{% endfor -%}
        ) < turn_count
    ) as is_in_doubt
from rolled_up
