{%- set build = voice_ai_analytics.this_build() -%}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_key',
    on_schema_change='append_new_columns',
    pre_hook="{{ voice_ai_analytics.remove_replaced_rows('false') }}"
) }}

{%- set is_batch = is_incremental() and not build.is_full %}
{%- set attributes = ['region', 'has_disability', 'is_first_time_digital_user'] + voice_ai_analytics.user_attributes() %}
{%- set salt = '(select salt from ' ~ ref('stg_voice_ai__salt') ~ ')' %}

with users as (

    select
        {{ voice_ai_analytics.sha256(salt ~ ' || users.user_id') }} as user_key,
        users.{{ attributes | join(', users.') }}
    from {{ voice_ai_analytics.current_rows(
        voice_ai_analytics.users_of_build(build), ref('int_voice_ai__users_versions'), ['user_id'], ['user_id'] + attributes
    ) }} as users

),

changed as (

    select users.*, false as is_deleted_upstream
    from users
    {%- if is_batch %}
    left join {{ this }} as known
        on
            users.user_key = known.user_key
            and not known.is_deleted_upstream
            {%- for attribute in attributes %}
            and users.{{ attribute }} is not distinct from known.{{ attribute }}
            {%- endfor %}
    where known.user_key is null
    {%- endif %}
    {%- if is_batch and voice_ai_analytics.users_to_read(build) == 'all' %}

    union all

    -- All users were read, so those who are missing have left. Their attributes are cleared.
    select
        known.user_key,
        {%- for attribute in attributes %}
        null as {{ attribute }},
        {%- endfor %}
        true as is_deleted_upstream
    from {{ this }} as known
    left join users on known.user_key = users.user_key
    where users.user_key is null and not known.is_deleted_upstream
    {%- endif %}

)

select
    *,
    {{ build.started_at or 'cast(null as timestamp)' }} as changed_at
from changed
