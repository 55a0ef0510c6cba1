{#- True where a typed row ends before it starts; an end given as a day is compared as a day. -#}
{% macro ends_before_it_starts() -%}
    case
        when is_ended_at_date_only then ended_at < date_trunc('day', started_at)
        else ended_at < started_at
    end
{%- endmacro %}
