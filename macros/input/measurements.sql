{#- Optional values of an input table, with what makes one possible, as a dictionary from column to the end of a condition.
    An impossible one costs the value, not its row. -#}
{% macro measurements(table) -%}
    {%- set possible = {
        'sessions': {
            'direction': "in ('inbound', 'outbound')", 'duration_seconds': 'between 0 and 1e9',
            'turn_count': '>= 0', 'resolution': "in ('resolved', 'unresolved')",
            'resolution_source': "in ('user', 'agent', 'model', 'rule')", 'csat_score': 'between 1 and 5',
            'cost_usd': '>= 0', 'asr_cost_usd': '>= 0', 'llm_cost_usd': '>= 0', 'tts_cost_usd': '>= 0',
            'telephony_cost_usd': '>= 0', 'llm_input_tokens': '>= 0', 'llm_output_tokens': '>= 0'
        },
        'turns': {
            'asr_confidence': 'between 0 and 1', 'intent_confidence': 'between 0 and 1',
            'response_latency_ms': '>= 0',
            'latency_anchor': "in ('speech_end', 'end_of_turn', 'transcript', 'unknown')",
            'endpointing_ms': '>= 0', 'asr_ms': '>= 0', 'llm_first_token_ms': '>= 0', 'tts_first_audio_ms': '>= 0',
            'is_interruption': 'is not null', 'is_backchannel': 'is not null', 'is_cancelled': 'is not null'
        },
        'tool_calls': {
            'started_at': 'is not null', 'duration_ms': '>= 0', 'is_successful': 'is not null'
        },
        'evaluations': {
            'passed': 'is not null', 'score': 'is not null'
        }
    } -%}
    {{ return(possible.get(table, {})) }}
{%- endmacro %}
