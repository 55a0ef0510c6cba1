{#- Pre-hook of an incremental model, in the transaction that inserts the new rows. Deletes the rows that they replace:
    in a batch those that meet `condition`, in a full build all of them. -#}
{% macro remove_replaced_rows(condition) -%}
    {%- if voice_ai_analytics.is_replacing_rows() and is_incremental() -%}
delete from {{ this }}
    {%- if not voice_ai_analytics.this_build().is_full %}
where {{ condition }}
    {%- endif %}
    {%- endif -%}
{%- endmacro %}
