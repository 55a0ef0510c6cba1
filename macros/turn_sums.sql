{#- Counts and sums over the turns of a session, as a dictionary from column to SQL expression, for a query that groups
    turns by session. -#}
{% macro turn_sums() -%}
    {%- set user_confidence = "case when speaker = 'user' then asr_confidence end" -%}
    {%- set user_interrupts = "case when speaker = 'user' and is_backchannel is not true then is_interruption end" -%}
    {#- An answer that was never heard can't cut anyone off. -#}
    {%- set bot_interrupts = "case when speaker = 'assistant' and is_cancelled is not true then is_interruption end" -%}
    {%- set sums = {'turn_count': 'count(*)'} -%}
    {%- for speaker in ['user', 'assistant', 'system'] -%}
        {%- do sums.update({speaker ~ '_turn_count': "count(case when speaker = '" ~ speaker ~ "' then 1 end)"}) -%}
    {%- endfor -%}
    {%- do sums.update({'error_turn_count': 'count(error_type)'}) -%}
    {%- for count in voice_ai_analytics.error_counts()[1:] -%}
        {%- do sums.update({count: "count(case when error_type = '" ~ count[:-11] ~ "' then 1 end)"}) -%}
    {%- endfor -%}
    {%- do sums.update({
        'asr_confidence_sum': 'sum(' ~ user_confidence ~ ')',
        'asr_confidence_count': 'count(' ~ user_confidence ~ ')',
        'low_asr_confidence_count': "count(case when speaker = 'user' and asr_confidence < "
            ~ (var('voice_ai_low_asr_confidence', 0.5) | float) ~ " then 1 end)",
        'intent_confidence_sum': 'sum(intent_confidence)',
        'intent_confidence_count': 'count(intent_confidence)',
        'interruption_known_turn_count': 'count(is_interruption)',
        'interruption_turn_count': 'count(case when is_interruption then 1 end)',
        'barge_in_known_turn_count': 'count(' ~ user_interrupts ~ ')',
        'barge_in_turn_count': 'count(nullif(' ~ user_interrupts ~ ', false))',
        'bot_interruption_known_turn_count': 'count(' ~ bot_interrupts ~ ')',
        'bot_interruption_turn_count': 'count(nullif(' ~ bot_interrupts ~ ', false))',
        'untimed_turn_count': 'count(*) - count(speaking_seconds)',
        'user_speaking_seconds': "sum(case when speaker = 'user' then speaking_seconds end)",
        'assistant_speaking_seconds': "sum(case when speaker = 'assistant' then speaking_seconds end)",
        'first_loaded_at': 'min(loaded_at)',
        'last_loaded_at': 'max(loaded_at)'
    }) -%}
    {{ return(sums) }}
{%- endmacro %}
