{#- Selects the rows of a raw table, if there is one, and of the platforms that are on. A column that some lack is null
    there, and one that has different types is text. -#}
{% macro input_union(table) -%}
    {%- set platforms = voice_ai_analytics.platform_tables() -%}
    {%- set own = source('voice_ai', table) -%}
    {%- set relations = [own] if not platforms or (execute and load_relation(own)) else [] -%}
    {%- for platform in platforms -%} {%- do relations.append(ref(platform ~ '__' ~ table)) -%} {%- endfor -%}
    {%- set columns, of_relations = {}, [] -%}
    {%- for relation in relations if relations | length > 1 -%}
        {%- set own_columns = voice_ai_analytics.input_columns(relation) -%}
        {%- do of_relations.append(own_columns) -%}
        {%- for name, type in own_columns.items() -%}
            {%- do columns.update({name: type if columns.get(name, type) == type else dbt.type_string()}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for relation in relations %}
    {%- set own_columns = of_relations[loop.index0] if columns else {} -%}
    {%- if not loop.first %}
    union all
    {% endif -%}
    select
        {%- for name, type in columns.items() %}
        {{ name if own_columns.get(name) == type else 'cast(' ~ (name if name in own_columns else 'null') ~ ' as ' ~ type ~ ')' }} as {{ name }}
        {{- "," if not loop.last }}
        {%- else %} *
        {%- endfor %}
    from {{ relation }}
    {%- endfor %}
{%- endmacro %}
