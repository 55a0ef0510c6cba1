{%- set error_types = ['misunderstanding', 'no_input', 'noise', 'no_match', 'repeat', 'other'] -%}

with turns as (

    select
        *,
        case when speaker = 'user' then asr_confidence end as user_asr_confidence
    from {{ ref('stg_voice_ai__turns') }}

)

select
    session_key,
    count(*) as turn_count,
    {%- for speaker in ['user', 'assistant', 'system'] %}
    count(case when speaker = '{{ speaker }}' then 1 end) as {{ speaker }}_turn_count,
    {%- endfor %}
    count(*) - count(distinct turn_index) as repeated_turn_index_count,
    count(error_type) as error_turn_count,
    {%- for error_type in error_types %}
    count(case when error_type = '{{ error_type }}' then 1 end) as {{ error_type }}_turn_count,
    {%- endfor %}
    sum(user_asr_confidence) as asr_confidence_sum,
    count(user_asr_confidence) as asr_confidence_count,
    count(
        case when user_asr_confidence < {{ var('voice_ai_low_asr_confidence', 0.5) | float }} then 1 end
    ) as low_asr_confidence_count,
    sum(intent_confidence) as intent_confidence_sum,
    count(intent_confidence) as intent_confidence_count,
    count(is_interruption) as interruption_known_turn_count,
    count(case when is_interruption then 1 end) as interruption_turn_count
from turns
group by session_key
