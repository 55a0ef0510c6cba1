{{ voice_ai_analytics.optional_source('users', ['user_id']) }}
