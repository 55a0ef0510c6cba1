{#- The input contract: the columns that each input table may have, with their types, and those that it must have.
    `measurements` are optional values, with what makes one possible. An impossible one costs the value, not its row. -#}
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
            },
            'measurements': {
                'direction': "in ('inbound', 'outbound')", 'duration_seconds': 'between 0 and 1e9', 'turn_count': '>= 0',
                'resolution': "in ('resolved', 'unresolved')", 'resolution_source': "in ('user', 'agent', 'model', 'rule')",
                'csat_score': 'between 1 and 5', 'cost_usd': '>= 0', 'asr_cost_usd': '>= 0', 'llm_cost_usd': '>= 0',
                'tts_cost_usd': '>= 0', 'telephony_cost_usd': '>= 0', 'llm_input_tokens': '>= 0', 'llm_output_tokens': '>= 0'
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
            },
            'measurements': {
                'asr_confidence': 'between 0 and 1', 'intent_confidence': 'between 0 and 1',
                'response_latency_ms': '>= 0',
                'latency_anchor': "in ('speech_end', 'end_of_turn', 'transcript', 'unknown')", 'endpointing_ms': '>= 0',
                'asr_ms': '>= 0', 'llm_first_token_ms': '>= 0', 'tts_first_audio_ms': '>= 0',
                'is_interruption': 'is not null', 'is_backchannel': 'is not null', 'is_cancelled': 'is not null'
            }
        },
        'tool_calls': {
            'required': ['tool_call_id', 'session_id', 'platform', 'tool_name'],
            'columns': {
                'tool_call_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_id': 'text', 'tool_name': 'text',
                'started_at': 'timestamp', 'duration_ms': 'number', 'is_successful': 'boolean', 'error_type': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            },
            'measurements': {'started_at': 'is not null', 'duration_ms': '>= 0', 'is_successful': 'is not null'}
        },
        'evaluations': {
            'required': ['evaluation_id', 'session_id', 'platform', 'criterion', 'evaluator'],
            'columns': {
                'evaluation_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_id': 'text', 'criterion': 'text',
                'evaluator': 'code', 'evaluator_version': 'text', 'passed': 'boolean', 'score': 'number', 'label': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            },
            'measurements': {'passed': 'is not null', 'score': 'is not null'}
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
    {{ return(contracts[table]) }}
{%- endmacro %}
