{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook=[
        "{{ voice_ai_analytics.hold_the_build() }}",
        "{{ voice_ai_analytics.remove_everything_before_a_full_build() }}"
    ]
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set checked = ref('stg_voice_ai__turns_checked') %}
{%- set ledger = ref('int_voice_ai__turn_ledger') %}
{% if build.is_full %}
with repeated as (

    select turn_hash
    from {{ ledger }}
    group by turn_hash
    having count(*) > 1

)

select distinct ledger.turn_hash, ledger.session_hash
from {{ ledger }} as ledger
inner join repeated on ledger.turn_hash = repeated.turn_hash
{% else %}
with new_turns as (

    select distinct {{ voice_ai_analytics.id_hash('platform', 'turn_id') }} as turn_hash
    from {{ checked }}
    where turn_id is not null and platform is not null and {{ voice_ai_analytics.is_new_row(build, 'turns') }}

),

seen as (

    select ledger.turn_hash, ledger.session_hash
    from {{ ledger }} as ledger
    inner join new_turns on ledger.turn_hash = new_turns.turn_hash

),

repeated as (

    select turn_hash
    from seen
    group by turn_hash
    having count(*) > 1

)

select distinct seen.turn_hash, seen.session_hash
from seen
inner join repeated on seen.turn_hash = repeated.turn_hash
where not exists (
    select 1
    from {{ this }} as known
    where known.turn_hash = seen.turn_hash and known.session_hash = seen.session_hash
)
{% endif %}
