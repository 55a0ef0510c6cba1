{#- Generated once and never rebuilt: a new salt would turn every user into a new one. -#}
{{ config(
    materialized='incremental',
    schema='voice_ai_private',
    full_refresh=false,
    on_schema_change='ignore'
) }}

select salt
from (select {{ voice_ai_analytics.random_token() }} as salt) as made
{% if is_incremental() -%}
where not exists (select 1 from {{ this }})
{%- endif %}
