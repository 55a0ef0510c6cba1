{{ voice_ai_analytics.optional_source('tool_calls', voice_ai_analytics.input_contract('tool_calls').required) }}
