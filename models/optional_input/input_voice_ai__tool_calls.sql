{{ voice_ai_analytics.input_union('tool_calls') }}
