{#- Stops dbt's parser with one line if a var of this package has a value that it doesn't take, or if there is no such var.
    The macros user_attributes and platform_tables check their own. -#}
{% macro check_vars() -%}
    {%- do voice_ai_analytics.platform_tables() -%}
    {%- set tables = [
        'sessions', 'turns', 'users', 'tool_calls', 'evaluations', 'asr_references', 'asr_word_errors'
    ] -%}
    {%- set names = [
        'voice_ai_source_schema', 'voice_ai_source_database', 'voice_ai_outcome_mapping'
    ] -%}
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
    {%- set named = var('voice_ai_source_tables', {}) -%}
    {%- if named is not mapping or named | reject('in', tables) | list -%}
        {%- do wrong.update({'voice_ai_source_tables': 'a dictionary with names for ' ~ tables | join(', ')}) -%}
    {%- endif -%}
    {%- for name in names -%}
        {%- if (var(name, none) or '') is not string -%} {%- do wrong.update({name: 'a name'}) -%} {%- endif -%}
    {%- endfor -%}
    {%- set known = flags_of_package + least.keys() | list + names + [
        'voice_ai_low_asr_confidence', 'voice_ai_source_tables', 'voice_ai_user_attributes', 'voice_ai_platforms'
    ] -%}
    {%- for name in voice_ai_analytics.given_vars() if name.startswith('voice_ai_') and name not in known -%}
        {%- do exceptions.raise_compiler_error(
            'there is no var ' ~ name ~ '; voice_ai_analytics has ' ~ known | sort | join(', ')
        ) -%}
    {%- endfor -%}
    {%- for name, takes in wrong.items() -%}
        {%- do exceptions.raise_compiler_error('var ' ~ name ~ ' takes ' ~ takes ~ ', not ' ~ tojson(var(name))) -%}
    {%- endfor -%}
{%- endmacro %}
