{{ config(materialized='view') }}

{%- set sums = voice_ai_analytics.turn_sum_columns() %}

with sifted as (

    select
        platform,
        session_id,
        {{ voice_ai_analytics.turn_sums() | indent(8) }},
        count(*) - count(distinct turn_index) as repeated_turn_index_count
    from {{ ref('stg_voice_ai__turns_sifted') }}
    where is_counted
    group by platform, session_id

)

select
    platform,
    session_id,
    {{ sums | join(',
    ') }},
    turn_count - turn_index_bits as repeated_turn_index_count
from {{ ref('int_voice_ai__turns_rolled_up') }}
where not is_to_sift

union all

select
    platform,
    session_id,
    {{ sums | join(',
    ') }},
    repeated_turn_index_count
from sifted
