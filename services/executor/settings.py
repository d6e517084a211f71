"""What the executor reads from its environment: addresses, provider keys, base URLs."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from chassis.config import Address, Settings, Target
from executor.measure import SAME
from executor.providers.http import is_metadata_address

#: Where texts may go, as OpenTelemetry spells it now and has before, and whether spans are among that.
_CONTENT: Final = {
    "NO_CONTENT": False, "FALSE": False, "EVENT_ONLY": False, "SPAN_ONLY": True, "SPAN_AND_EVENT": True, "TRUE": True,
}  # fmt: skip


def _check_url(value: str) -> str:
    """Accept the URL of a provider: set by the operator, and never by a client."""
    parts = urlsplit(value)
    host = (parts.hostname or "").rstrip(".")
    try:
        whole = parts.port is None or parts.port > 0
    except ValueError:
        whole = False
    if parts.scheme not in {"http", "https"} or not (host and whole) or parts.query or parts.fragment or parts.username:
        raise ValueError("must be http(s)://host[:port][/path] without user, query or fragment")
    if is_metadata_address(host) or host == "metadata.google.internal":
        raise ValueError("must not be the address of a cloud's metadata service")
    return value


def _check_key(value: object) -> object:
    """Accept a key as files and shells hand it over, with white space around it, but with none inside."""
    if not isinstance(value, str):
        return value
    if not value.strip().isprintable() or " " in value.strip():
        raise ValueError("must be one line without spaces")
    return value.strip()


def _split_models(value: object) -> object:
    """Read `id=url,id=url`."""
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    if any(not (name.strip() and url.strip()) for name, _, url in pairs):
        raise ValueError("must be id=url, several with commas between them")
    return {name.strip(): url.strip() for name, _, url in pairs}


def _read_embeddings(value: object) -> object:
    """Read `off`, `local`, or `model=url`; the last becomes a pair."""
    if not isinstance(value, str) or value.strip() in {"off", "local"}:
        return value.strip() if isinstance(value, str) else value
    model, _, url = (part.strip() for part in value.partition("="))
    if not (model and url):
        raise ValueError("must be off, local or model=url")
    return model, _check_url(url)


def _read_content(value: object) -> bool:
    """Read where OpenTelemetry's variable wants texts: of the places that it names, we have spans."""
    if str(value).upper() not in _CONTENT:
        raise ValueError(f"must be one of {', '.join(_CONTENT)}")
    return _CONTENT[str(value).upper()]


Key = Annotated[SecretStr, BeforeValidator(_check_key)]
BaseUrl = Annotated[str, AfterValidator(_check_url)]


class ExecutorSettings(Settings):
    """What the executor reads."""

    executor_listen: Address | None = None
    planner: Target | None = None
    proof: Target | None = None
    #: The embedded models' server.
    local: Address | None = None
    #: Which models that server has: `off` and no GGUF file mean that there is no such server.
    local_models: str = "all"
    gguf: str = ""
    #: Models on the operator's own OpenAI-compatible servers: id=url, each URL up to and including `/v1`.
    models: Annotated[dict[str, BaseUrl], NoDecode, BeforeValidator(_split_models)] = Field(default_factory=dict)
    #: Sent to those servers as bearer token.
    models_api_key: Key | None = None
    #: Who makes vectors of texts to compare them by: `off`, `local` for the embedded model, or a model of the
    #: operator's own OpenAI-compatible server, and its URL up to and including `/v1`.
    embeddings: Annotated[str | tuple[str, str], NoDecode, BeforeValidator(_read_embeddings)] = "off"
    #: Sent to that server as bearer token.
    embeddings_api_key: Key | None = None
    #: Similarity from which on two answers say the same; models other than the embedded one have other scales.
    embeddings_same: float = Field(SAME, gt=0, le=1)
    #: What recordings taught: a file of the operator's own, as `openprysm calibrate` writes it; None: what ships.
    evidence: Path | None = None
    #: Folder of recorded answers that are served as provider `replay`.
    replay: Path | None = None
    #: Key digests and their pepper, see chassis.identity; default `keys.json` and `key-pepper` in the state folder.
    keys_file: Path | None = None
    key_pepper_file: Path | None = None
    #: Folder of the runs that wait for their proof, a file each; default `outbox` in the state folder.
    outbox: Path | None = None
    #: Bytes that they may take on the disk, 4096 or a multiple each; more are not kept.
    outbox_bytes: int = Field(64 << 20, ge=0)
    #: Seconds that a request may take when its caller sets no deadline.
    request_timeout_s: float = Field(120.0, gt=0)
    #: Requests that may wait to be begun; and that may run, most of them waiting for models.
    executor_queue: int = Field(1024, gt=0)
    executor_in_flight: int = Field(10_000, gt=0)

    #: OpenTelemetry's own switch: whether spans hold what was asked and answered.
    trace_content: Annotated[bool, BeforeValidator(_read_content)] = Field(
        False, validation_alias="OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    )

    openai_api_key: Key | None = Field(None, validation_alias="OPENAI_API_KEY")
    anthropic_api_key: Key | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    google_api_key: Key | None = Field(None, validation_alias="GEMINI_API_KEY")
    mistral_api_key: Key | None = Field(None, validation_alias="MISTRAL_API_KEY")
    deepseek_api_key: Key | None = Field(None, validation_alias="DEEPSEEK_API_KEY")
    xai_api_key: Key | None = Field(None, validation_alias="XAI_API_KEY")

    openai_base_url: BaseUrl = "https://api.openai.com/v1"
    anthropic_base_url: BaseUrl = "https://api.anthropic.com"
    google_base_url: BaseUrl = "https://generativelanguage.googleapis.com/v1beta/openai"
    mistral_base_url: BaseUrl = "https://api.mistral.ai/v1"
    deepseek_base_url: BaseUrl = "https://api.deepseek.com/v1"
    xai_base_url: BaseUrl = "https://api.x.ai/v1"
