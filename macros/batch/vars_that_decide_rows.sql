{#- Vars that decide how a row is read or what is kept of it, with their defaults. The other vars choose the source,
    whose changes show in its rows and columns, or what is built on the certified rows. -#}
{% macro vars_that_decide_rows() -%}
    {{ return({
        'voice_ai_user_attributes': [],
        'voice_ai_engaged_min_user_turns': 1,
        'voice_ai_low_asr_confidence': 0.5,
        'voice_ai_keep_transcripts': false,
        'voice_ai_fact_turns': false
    }) }}
{%- endmacro %}
