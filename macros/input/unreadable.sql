{#- Text that names the values of a row that couldn't be converted (`wanted` is 'reasons') or keeps them as reported
    ('values'). Null if there are none. -#}
{% macro unreadable(columns, parsed, wanted) -%}
    {%- if not parsed -%} cast(null as {{ dbt.type_string() }})
    {%- else -%}
    case
        when
            {%- for name in parsed %}
            {{ "or " if not loop.first }}({{ voice_ai_analytics.is_unreadable(columns, name) }})
            {%- endfor %}
            then concat_ws(
                '{{ ", " if wanted == "reasons" else "; " }}'
                {%- for name in parsed %},
                case
                    when {{ voice_ai_analytics.is_unreadable(columns, name) }}
                        then {% if wanted == 'reasons' %}'unreadable_{{ name }}'
                        {%- else %}'{{ name }}=' || cast({{ name }}_given as {{ dbt.type_string() }}){% endif %}
                end
                {%- endfor %}
            )
    end
    {%- endif -%}
{%- endmacro %}
