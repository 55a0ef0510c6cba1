{#- Which users this build reads: 'all', those with 'new' rows, or 'none'. A day that was read before may have lost a
    user, and only a look at all users shows who has left. -#}
{% macro users_to_read(build) -%}
    {%- if build.is_full or build.users_days_read_before -%} {{ return('all') }}
    {%- else -%} {{ return('new' if build.users_days else 'none') }}
    {%- endif -%}
{%- endmacro %}
