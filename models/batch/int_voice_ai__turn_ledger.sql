{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook=[
        "{{ voice_ai_analytics.hold_the_build() }}",
        "{{ voice_ai_analytics.remove_everything_before_a_full_build() }}"
    ],
    indexes=[{'columns': ['turn_hash']}, {'columns': ['loaded_at'], 'type': 'brin'}] if target.type == 'postgres' else []
) }}

{%- set build = voice_ai_analytics.this_build() %}

with given as (

    select
        {{ voice_ai_analytics.id_hash('platform', 'turn_id') }} as turn_hash,
        {{ voice_ai_analytics.id_hash('platform', 'session_id') }} as session_hash,
        loaded_at
    from {{ ref('stg_voice_ai__turns_checked') }}
    where
        platform is not null
        and session_id is not null
        and turn_id is not null
        and {{ 'true' if build.is_full else voice_ai_analytics.is_new_row(build, 'turns') }}

)

select *
from given
{% if not build.is_full -%}
where not exists (
    select 1
    from {{ this }} as known
    where
        known.turn_hash = given.turn_hash
        and known.session_hash = given.session_hash
        and (known.loaded_at = given.loaded_at or (known.loaded_at is null and given.loaded_at is null))
        -- An engine that keeps tables in load order need not look at all of history.
        and (known.loaded_at >= {{ build.turns_from }} or known.loaded_at is null)
)
{%- endif %}
