{#- The package's version and a digest of its macros, which dbt doesn't show to a model. A test compares it with the files
    and says what to write here. -#}
{% macro package_digest() -%}
    {{ return('0.1.0 439441e77bb0b86b6c4eb000cc9d6987') }}
{%- endmacro %}
