{#- The input contract: the columns that each input table may have, with their types, and those that it must have.
    See the macro measurements for what makes a value possible. -#}
{% macro input_contract(table) -%}
    {%- set contracts = {
        'sessions': {
            'required': ['session_id', 'platform', 'started_at'],
            'columns': {
                'session_id': 'text', 'platform': 'text', 'account': 'text', 'user_id': 'text', 'channel': 'text',
                'direction': 'code', 'language': 'text', 'started_at': 'timestamp', 'ended_at': 'timestamp',
                'duration_seconds': 'number', 'turn_count': 'integer', 'outcome_raw': 'text', 'transfer_reason': 'text',
                'resolution': 'code', 'resolution_source': 'code', 'bot_version': 'text', 'asr_model': 'text',
                'csat_score': 'number', 'cost_usd': 'number', 'asr_cost_usd': 'number', 'llm_cost_usd': 'number',
                'tts_cost_usd': 'number', 'telephony_cost_usd': 'number', 'llm_input_tokens': 'integer',
                'llm_output_tokens': 'integer', 'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            }
        },
        'turns': {
            'required': ['turn_id', 'session_id', 'platform', 'turn_index', 'speaker'],
            'columns': {
                'turn_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_index': 'integer', 'speaker': 'text',
                'started_at': 'timestamp', 'ended_at': 'timestamp', 'asr_confidence': 'number', 'intent': 'text',
                'intent_confidence': 'number', 'error_type': 'text', 'response_latency_ms': 'number',
                'latency_anchor': 'code', 'endpointing_ms': 'number', 'asr_ms': 'number',
                'llm_first_token_ms': 'number', 'tts_first_audio_ms': 'number', 'is_interruption': 'boolean',
                'is_backchannel': 'boolean', 'is_cancelled': 'boolean', 'transcript': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            }
        },
        'tool_calls': {
            'required': ['tool_call_id', 'session_id', 'platform', 'tool_name'],
            'columns': {
                'tool_call_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_id': 'text', 'tool_name': 'text',
                'started_at': 'timestamp', 'duration_ms': 'number', 'is_successful': 'boolean', 'error_type': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            }
        },
        'evaluations': {
            'required': ['evaluation_id', 'session_id', 'platform', 'criterion', 'evaluator'],
            'columns': {
                'evaluation_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_id': 'text', 'criterion': 'text',
                'evaluator': 'code', 'evaluator_version': 'text', 'passed': 'boolean', 'score': 'number', 'label': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            }
        },
        'users': {
            'required': ['user_id'],
            'columns': {
                'user_id': 'text', 'region': 'text', 'has_disability': 'boolean',
                'is_first_time_digital_user': 'boolean', 'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            }
        },
        'asr_references': {
            'required': ['turn_id', 'platform', 'reference_text'],
            'columns': {
                'turn_id': 'text', 'session_id': 'text', 'platform': 'text', 'reference_text': 'text', 'hypothesis_text': 'text',
                'asr_model': 'text', 'language': 'text'
            }
        }
    } -%}
    {%- do contracts[table].update({'measurements': voice_ai_analytics.measurements(table)}) -%}
    {{ return(contracts[table]) }}
{%- endmacro %}
