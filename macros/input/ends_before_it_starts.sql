{#- True for a typed row that ends before it starts. An end reported as a date is compared with the start's date. -#}
{% macro ends_before_it_starts() -%}
    case
        when is_ended_at_date_only then ended_at < date_trunc('day', started_at)
        else ended_at < started_at
    end
{%- endmacro %}
