{#- The input contract: the columns that each input table may have, with their types, and those that it must have.
    `measurements` are optional values, with what makes one possible. An impossible one costs the value, not its row. -#}
{% macro input_contract(table) -%}
    {%- set contracts = {
        'sessions': {
            'required': ['session_id', 'platform', 'started_at'],
            'columns': {
                'session_id': 'text', 'platform': 'text', 'user_id': 'text', 'channel': 'text', 'language': 'text',
                'started_at': 'timestamp', 'ended_at': 'timestamp', 'duration_seconds': 'number',
                'turn_count': 'integer', 'outcome_raw': 'text', 'transfer_reason': 'text', 'bot_version': 'text',
                'asr_model': 'text', 'csat_score': 'number', 'cost_usd': 'number',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            },
            'measurements': {
                'duration_seconds': 'between 0 and 1e9', 'turn_count': '>= 0', 'csat_score': 'between 1 and 5',
                'cost_usd': '>= 0'
            }
        },
        'turns': {
            'required': ['turn_id', 'session_id', 'platform', 'turn_index', 'speaker'],
            'columns': {
                'turn_id': 'text', 'session_id': 'text', 'platform': 'text', 'turn_index': 'integer', 'speaker': 'text',
                'started_at': 'timestamp', 'ended_at': 'timestamp', 'asr_confidence': 'number', 'intent': 'text',
                'intent_confidence': 'number', 'error_type': 'text', 'response_latency_ms': 'number',
                'is_interruption': 'boolean', 'transcript': 'text',
                'updated_at': 'timestamp', 'loaded_at': 'timestamp'
            },
            'measurements': {
                'asr_confidence': 'between 0 and 1', 'intent_confidence': 'between 0 and 1',
                'response_latency_ms': '>= 0', 'is_interruption': 'is not null'
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
    {{ return(contracts[table]) }}
{%- endmacro %}
