{#- Columns of the fact that say where a session stands among its user's sessions, as a list. -#}
{% macro journey_columns() -%}
    {{ return([
        'user_session_number', 'is_callback_24h_known', 'is_called_back_24h', 'is_followed_by_return_7d'
    ]) }}
{%- endmacro %}
