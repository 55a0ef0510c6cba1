{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set checked = ref('stg_voice_ai__users_checked') %}
{%- set attributes = voice_ai_analytics.user_attributes() %}

with given as (

    select *
    from {{ checked }}
    {%- if not build.is_full and build.users_from %}
    where
        user_id in (select user_id from {{ checked }} where {{ voice_ai_analytics.is_new_row(build, 'users') }})
        or (user_id is null and {{ voice_ai_analytics.is_new_row(build, 'users') }})
    {%- endif %}

)

select
    *,
    row_number() over (
        partition by user_id, quarantine_reasons is null
        order by {{ voice_ai_analytics.latest_first('users', attributes) }}
    ) as version_number
from given
