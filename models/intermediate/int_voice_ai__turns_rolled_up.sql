{%- set build = voice_ai_analytics.this_build() %}
{%- set rows = voice_ai_analytics.rows_of_build('turns', build) %}
{%- set repeated = ref('int_voice_ai__repeated_turn_ids') %}
{%- set turn_hash = voice_ai_analytics.id_hash('platform', 'turn_id') %}
{%- set session_hash = voice_ai_analytics.id_hash('platform', 'session_id') %}

-- All turns are read once, good or not. Most sessions have none but good ones, and of each one row: they are done.
with rolled_up as (

    select
        platform,
        session_id,
        {{ voice_ai_analytics.turn_sums() | indent(8) }},
        count(quarantine_reasons) as refused_turn_count,
        -- One bit a turn number, 63 numbers a round: exact for all sessions but those whose numbers lie further apart.
        {{ voice_ai_analytics.count_bits(
            'bit_or(case when turn_index >= 0 then cast(1 as bigint) << (turn_index % 63) end)'
        ) }} as turn_index_bits,
        -- Bad numbers may lie as far apart as integers can.
        cast(max(turn_index) as bigint) - min(turn_index) as turn_index_range
    from {{ rows }}
    group by platform, session_id

),

with_repeated_turns as (
    {% if build.is_full %}
    select distinct session_hash
    from {{ repeated }}
    {% else %}
    select distinct {{ session_hash }} as session_hash
    from {{ rows }}
    where
        platform is not null
        and session_id is not null
        and {{ turn_hash }} in (
            select {{ turn_hash }} from {{ rows }} group by {{ turn_hash }} having count(*) > 1
        )
    {% endif %}
),

sessions as (

    select platform, session_id, session_key
    from {{ ref('stg_voice_ai__sessions') }}

)

select
    rolled_up.*,
    sessions.session_key,
    (
        sessions.session_key is null
        or rolled_up.refused_turn_count > 0
        or rolled_up.turn_index_range >= 63
        or {{ voice_ai_analytics.id_hash('rolled_up.platform', 'rolled_up.session_id') }}
        in (select session_hash from with_repeated_turns)
    ) as is_to_sift
from rolled_up
left join sessions
    on rolled_up.platform = sessions.platform and rolled_up.session_id = sessions.session_id
