{#- Whether hooks may delete or update rows that earlier builds wrote. With --empty, dbt reads every input as if it had
    no rows, and all earlier rows would seem to have left the source. -#}
{% macro is_replacing_rows() -%}
    {{ return(voice_ai_analytics.is_building() and not flags.EMPTY) }}
{%- endmacro %}
