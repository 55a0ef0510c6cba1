{#- Where a payload that can't be read came from, as the text that takes the place of its session's start: an instant
    that can't be read sends the row to quarantine, which keeps the text. -#}
{% macro whose_payload(platform_title) -%}
    coalesce(source_file, 'a file unknown') || ', object ' || coalesce(cast(position as {{ dbt.type_string() }}), '?')
    || ': not {{ platform_title }}'
{%- endmacro %}
