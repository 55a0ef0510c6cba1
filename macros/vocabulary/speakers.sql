{#- Names under which platforms report who speaks, as a dictionary from the contract's name to those read as it. -#}
{% macro speakers() -%}
    {{ return({
        'user': ['user', 'customer', 'caller', 'human'],
        'assistant': ['assistant', 'agent', 'bot'],
        'system': ['system']
    }) }}
{%- endmacro %}
