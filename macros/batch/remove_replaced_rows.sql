{#- Pre-hooks of the incremental models, in the transaction that inserts the new rows: remove what these replace. -#}
{% macro remove_everything_before_a_full_build() -%}
    {%- if is_incremental() and voice_ai_analytics.this_build().is_full -%} delete from {{ this }} {%- endif -%}
{%- endmacro %}


{#- Of a quarantine: what the build at hand replaces. -#}
{% macro remove_replaced_quarantine(table) -%}
    {%- set build = voice_ai_analytics.this_build() -%}
    {%- set condition = voice_ai_analytics.is_replaced_in_quarantine(table, build) -%}
    {%- if is_incremental() -%} delete from {{ this }} where {{ condition }} {%- endif -%}
{%- endmacro %}


{#- True for a quarantined row that the build at hand replaces: one of an affected session or user, or one of the window
    that names none. -#}
{% macro is_replaced_in_quarantine(table, build) -%}
    {%- set affected = ref('int_voice_ai__sessions_affected') -%}
    {%- set ranked = ref('stg_voice_ai__users_ranked') -%}
    {%- if build.is_full or (table == 'users' and not build.users_from) -%} true
    {%- elif table == 'users' -%}
    user_id in (select user_id from {{ ranked }} where user_id is not null)
    or (user_id is null and {{ voice_ai_analytics.is_new_row(build, 'users') }})
    {%- else -%}
    (platform, session_id) in (select platform, session_id from {{ affected }} where not is_read_in_part)
    or (
        (
            platform is null
            or session_id is null
            or (platform, session_id) in (select platform, session_id from {{ affected }} where is_read_in_part)
        )
        and {{ voice_ai_analytics.is_new_row(build, table) }}
    )
    {%- endif -%}
{%- endmacro %}


{#- Of a table by session_key: the affected sessions. -#}
{% macro remove_affected_sessions() -%}
    {%- set build = voice_ai_analytics.this_build() -%}
    {%- set affected = ref('int_voice_ai__sessions_affected') -%}
    {%- if is_incremental() -%}
delete from {{ this }}
    {%- if not build.is_full %} where session_key in (select session_key from {{ affected }}){% endif %}
    {%- endif -%}
{%- endmacro %}


{#- Of the fact: the affected sessions and all that the candidate holds anew. -#}
{% macro remove_sessions_of_the_candidate() -%}
    {%- set build = voice_ai_analytics.this_build() -%}
    {%- set affected = ref('int_voice_ai__sessions_affected') -%}
    {%- set candidate = ref('int_voice_ai__sessions_candidate') -%}
    {%- if is_incremental() -%}
delete from {{ this }}
    {%- if not build.is_full %}
where session_key in (
    select session_key from {{ affected }}
    union all
    select session_key from {{ candidate }}
)
    {%- endif %}
    {%- endif -%}
{%- endmacro %}
