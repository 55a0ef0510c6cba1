"""VoiceAI Analytics: what SQL cannot do for conversational-AI session data."""
