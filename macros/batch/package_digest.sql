{#- The package's version and a digest of its macros, which dbt doesn't show to a model. A test compares it with the files
    and says what to write here. -#}
{% macro package_digest() -%}
    {{ return('0.1.0 08f6857867273fade5142c1b8b8a22b8') }}
{%- endmacro %}
