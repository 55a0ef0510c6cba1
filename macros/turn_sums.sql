{#- The counts and sums of a session's turns, as the columns of a select that groups by session. -#}
{% macro turn_sums() -%}
    {%- set error_types = ['misunderstanding', 'no_input', 'noise', 'no_match', 'repeat', 'other'] -%}
    {%- set user_confidence = "case when speaker = 'user' then asr_confidence end" -%}
    count(*) as turn_count,
    {%- for speaker in ['user', 'assistant', 'system'] %}
    count(case when speaker = '{{ speaker }}' then 1 end) as {{ speaker }}_turn_count,
    {%- endfor %}
    count(error_type) as error_turn_count,
    {%- for error_type in error_types %}
    count(case when error_type = '{{ error_type }}' then 1 end) as {{ error_type }}_turn_count,
    {%- endfor %}
    sum({{ user_confidence }}) as asr_confidence_sum,
    count({{ user_confidence }}) as asr_confidence_count,
    count(
        case
            when speaker = 'user' and asr_confidence < {{ var('voice_ai_low_asr_confidence', 0.5) | float }} then 1
        end
    ) as low_asr_confidence_count,
    sum(intent_confidence) as intent_confidence_sum,
    count(intent_confidence) as intent_confidence_count,
    count(is_interruption) as interruption_known_turn_count,
    count(case when is_interruption then 1 end) as interruption_turn_count,
    min(loaded_at) as first_loaded_at,
    max(loaded_at) as last_loaded_at
{%- endmacro %}


{#- Their names. -#}
{% macro turn_sum_columns() -%}
    {{ return([
        'turn_count', 'user_turn_count', 'assistant_turn_count', 'system_turn_count', 'error_turn_count',
        'misunderstanding_turn_count', 'no_input_turn_count', 'noise_turn_count', 'no_match_turn_count',
        'repeat_turn_count', 'other_turn_count', 'asr_confidence_sum', 'asr_confidence_count',
        'low_asr_confidence_count', 'intent_confidence_sum', 'intent_confidence_count',
        'interruption_known_turn_count', 'interruption_turn_count', 'first_loaded_at', 'last_loaded_at'
    ]) }}
{%- endmacro %}
