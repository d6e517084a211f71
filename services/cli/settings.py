"""What the command line reads: the gateway's settings, and what else it takes to run the suite on one machine."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation

from cli.gateway import GatewaySettings


class SuiteSettings(GatewaySettings):
    """The suite on one machine."""

    #: Which embedded models are served: all, small or off.
    local_models: str = "all"
    #: The operator's own GGUF files; read by the local models' server.
    gguf: str = ""
    #: `local`: the embedding model is served, too.
    embeddings: str = "off"
    keys_file: Path | None = None
    key_pepper_file: Path | None = None

    @property
    def fetches(self) -> bool:
        """Whether the suite needs weights that are fetched."""
        return self.local_models != "off" or self.embeddings == "local"

    @property
    def url(self) -> str:
        """The gateway, as a client on this machine calls it."""
        return f"http://{self.host}:{self.port}"
