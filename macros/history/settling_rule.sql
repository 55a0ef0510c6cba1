{#- When outcomes count as settled. `horizon_days`: age of a session, in days, up to which changes are looked for.
    `min_sessions`: sessions that must have been followed until then; with no change in 300, at most 1 in 100 change (95 %,
    rule of three). `max_change_proportion`: the share of outcomes still to change up to which a day is mature. -#}
{% macro settling_rule() -%}
    {{ return({'horizon_days': 28, 'min_sessions': 300, 'max_change_proportion': 0.01}) }}
{%- endmacro %}
