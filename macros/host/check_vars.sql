{#- Stops dbt's parser with one line if a var of this package has a value that it doesn't take. The macros
    user_attributes and platform_tables check their own. -#}
{% macro check_vars() -%}
    {%- do voice_ai_analytics.platform_tables() -%}
    {%- set flags_of_package = [
        'voice_ai_keep_transcripts', 'voice_ai_fact_turns', 'voice_ai_snapshot', 'voice_ai_semantic_models',
        'voice_ai_time_spine'
    ] -%}
    {%- set least = {'voice_ai_min_cohort_size': 1, 'voice_ai_engaged_min_user_turns': 0} -%}
    {%- set wrong = {} -%}
    {%- for name in flags_of_package if var(name, true) is not boolean -%}
        {%- do wrong.update({name: 'true or false'}) -%}
    {%- endfor -%}
    {%- for name, minimum in least.items() -%}
        {%- set value = var(name, minimum) -%}
        {%- if value is not integer or value is boolean or value < minimum -%}
            {%- do wrong.update({name: 'a whole number of at least ' ~ minimum}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set threshold = var('voice_ai_low_asr_confidence', 0) -%}
    {%- if threshold is not number or threshold is boolean or not 0 <= threshold <= 1 -%}
        {%- do wrong.update({'voice_ai_low_asr_confidence': 'a number from 0 to 1'}) -%}
    {%- endif -%}
    {%- if var('voice_ai_source_tables', {}) is not mapping -%}
        {%- do wrong.update({'voice_ai_source_tables': 'a dictionary, such as {sessions: bot_sessions}'}) -%}
    {%- endif -%}
    {%- for name in ['voice_ai_source_schema', 'voice_ai_source_database', 'voice_ai_outcome_mapping'] -%}
        {%- if (var(name, none) or '') is not string -%} {%- do wrong.update({name: 'a name'}) -%} {%- endif -%}
    {%- endfor -%}
    {%- for name, takes in wrong.items() -%}
        {%- do exceptions.raise_compiler_error('var ' ~ name ~ ' takes ' ~ takes ~ ', not ' ~ tojson(var(name))) -%}
    {%- endfor -%}
{%- endmacro %}
