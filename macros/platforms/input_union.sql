{#- Selects the rows of a raw table, if there is one, and of the platforms that are on and have them. A column that some
    lack is null there, and one that has different types is text. -#}
{% macro input_union(table) -%}
    {%- set own = source('voice_ai', table) -%}
    {%- set is_optional = table not in ['sessions', 'turns'] -%}
    {%- set platforms = [] -%}
    {%- for platform in voice_ai_analytics.platform_tables()
        if not is_optional or table in voice_ai_analytics.known_platforms()[platform] -%}
        {%- do platforms.append(ref(platform ~ '__' ~ table)) -%}
    {%- endfor -%}
    {%- set is_own = not (platforms or is_optional) or (execute and load_relation(own)) -%}
    {%- set relations = ([own] if is_own else []) + platforms -%}
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
    {%- else -%} {{ voice_ai_analytics.optional_source(table, voice_ai_analytics.input_contract(table).required) }}
    {%- endfor %}
{%- endmacro %}
