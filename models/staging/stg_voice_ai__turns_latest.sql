{{ config(pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{%- set build = voice_ai_analytics.this_build() -%}
{%- set columns = voice_ai_analytics.input_contract('turns').columns.keys() | list -%}

with good_rows as (

    select
        {{ columns | join(', ') }},
        {{ voice_ai_analytics.id_hash('platform', 'turn_id') }} as turn_hash
    from {{ voice_ai_analytics.rows_of_build('turns', build) }}
    where quarantine_reasons is null

),

repeated as (

    select * from {{ ref('stg_voice_ai__turns_repeated') }}

)

select {{ columns | join(', ') }}
from good_rows
where
    not exists (
        select 1
        from repeated
        where repeated.turn_hash = good_rows.turn_hash
    )

union all

select {{ columns | join(', ') }}
from repeated
where coalesce(version_number, 1) = 1
