{#- When outcomes count as settled. `horizon_days`: age of a session, in days, up to which its changes are followed.
    `min_sessions`: number of sessions that must have been followed that long; if none of 300 changes, at most 1 in 100
    will (rule of three, 95 %). `max_change_proportion`: share of outcomes still expected to change, up to which a day
    is mature. -#}
{% macro settling_rule() -%}
    {{ return({'horizon_days': 28, 'min_sessions': 300, 'max_change_proportion': 0.01}) }}
{%- endmacro %}
