{#- Pre-hook of an incremental model, in the transaction that inserts the new rows: removes the rows that these replace.
    `condition` says which rows a batch replaces; a full build replaces all. -#}
{% macro remove_replaced_rows(condition) -%}
    {%- if is_incremental() -%}
delete from {{ this }}
    {%- if not voice_ai_analytics.this_build().is_full %}
where {{ condition }}
    {%- endif %}
    {%- endif -%}
{%- endmacro %}
