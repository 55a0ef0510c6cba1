{#- Text that names the values in `parsed` that can't be used: `<prefix>_<column>`, or without a prefix the value as it
    was reported. Null if there are none. -#}
{% macro unreadable(columns, parsed, measurements, prefix=none) -%}
    {%- if not parsed -%} cast(null as {{ dbt.type_string() }})
    {%- else -%}
    case
        when
            {%- for name in parsed %}
            {{ "or " if not loop.first }}({{ voice_ai_analytics.is_unreadable(columns, name, measurements) }})
            {%- endfor %}
            then concat_ws(
                '{{ ", " if prefix else "; " }}'
                {%- for name in parsed %},
                case
                    when {{ voice_ai_analytics.is_unreadable(columns, name, measurements) }}
                        then {% if prefix %}'{{ prefix }}_{{ name }}'
                        {%- else %}'{{ name }}=' || cast({{ name }}_given as {{ dbt.type_string() }}){% endif %}
                end
                {%- endfor %}
            )
    end
    {%- endif -%}
{%- endmacro %}
