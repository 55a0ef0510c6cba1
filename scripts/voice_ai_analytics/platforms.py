"""The platforms whose exports `voice-ai load` knows, and the marks of their payloads.

A mark is a set of keys that only this platform's payloads have together; dots lead into objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from voice_ai_analytics.dbt_project import REPOSITORY
from voice_ai_analytics.errors import UserError


@dataclass(frozen=True)
class Platform:
    """One platform.

    Parameters
    ----------
    name : str
        In the var ``voice_ai_platforms``; also the name of its raw table.
    title : str
        As people write it.
    marks : tuple of str
        Keys that belong together, separated by blanks. One of the sets is enough.
    is_lines : bool
        Whether it is read from CSV and WebVTT, too, one payload per line.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    is_lines: bool = False

    @property
    def has_models(self) -> bool:
        """Whether the package reads its payloads, so that the var may name it."""
        return (REPOSITORY / "models" / "platforms" / self.name).is_dir()

    def owns(self, payload: object) -> bool:
        """Return whether a payload bears one of the platform's marks."""
        return any(all(_has(payload, key) for key in mark.split()) for mark in self.marks)


PLATFORMS = {
    one.name: one
    for one in (
        Platform("vapi", "Vapi", ("id orgId", "message.type message.call", "message.artifact")),
        Platform(
            "retell",
            "Retell",
            ("call_id agent_id call_status", "chat_id agent_id chat_status", "event call.call_id"),
        ),
        Platform(
            "elevenlabs",
            "ElevenLabs",
            ("conversation_id agent_id", "data.conversation_id data.agent_id"),
        ),
        Platform("livekit", "LiveKit", ("job_id room_id room", "room chat_history")),
        Platform(
            "twilio",
            "Twilio",
            ("sid account_sid", "media_channel sentence_index", "CallSid AccountSid"),
        ),
        Platform("lex_v2", "Amazon Lex V2", ("sessionId requestId interpretations", "bot.aliasId")),
        Platform(
            "amazon_connect",
            "Amazon Connect",
            (
                "ContactId InitiationMethod",
                "Contact.InitiationMethod",
                "AWSContactTraceRecordFormatVersion",
                "CustomerMetadata.ContactId",
            ),
        ),
        Platform(
            "dialogflow_cx",
            "Dialogflow CX",
            ("conversation_name turn_position", "conversationName turnPosition", "interactions"),
        ),
        Platform(
            "ccai_insights",
            "CCAI Insights",
            ("transcript.transcriptSegments", "conversationName sentences", "callMetadata"),
        ),
        Platform("genesys_cloud", "Genesys Cloud", ("conversationId participants",)),
        Platform("rasa", "Rasa", ("sender_id events", "sender_id event")),
        Platform(
            "intercom_fin", "Intercom", ("ai_agent_participated", "conversation_parts source")
        ),
        Platform("vcon", "vCon", ("vcon parties", "vcon dialog")),
        Platform("otel_genai", "OpenTelemetry", ("resourceSpans", "traceId spanId attributes")),
        Platform("transcripts", "transcripts", ("conversation speaker text",), is_lines=True),
    )
}
# Keys under which vendors' APIs put a page of payloads.
PAGES = (
    "calls", "chats", "contacts", "Contacts", "conversations", "data", "events",
    "items", "logEvents", "records", "results", "sentences", "transcripts",
)  # fmt: skip


def platform_named(name: str) -> Platform:
    """Return a platform.

    Raises
    ------
    UserError
        If there is none of this name; it names the nearest.
    """
    if name in PLATFORMS:
        return PLATFORMS[name]
    written = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    near = get_close_matches(written, PLATFORMS, n=3, cutoff=0.5)
    near = near or [known for known in PLATFORMS if written in known or known in written]
    told = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(PLATFORMS)}"
    raise UserError(f"{name}: no such platform; {told}")


def other_platform(payload: object, mine: Platform) -> Platform | None:
    """Return the platform whose marks a payload bears, if these are not its own."""
    if mine.owns(payload):
        return None
    return next((other for other in PLATFORMS.values() if other.owns(payload)), None)


def _has(payload: object, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(payload, Mapping) or part not in payload:
            return False
        payload = payload[part]
    return True
