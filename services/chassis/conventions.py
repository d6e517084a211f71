"""Names that OpenTelemetry's conventions give to what we measure: the one table, since those for GenAI still move.

GenAI: open-telemetry/semantic-conventions-genai v0.1.0, all of it in development. RPC metrics: semconv v1.45. What has
no name there is ours, below `prysm.`.
"""

from __future__ import annotations

from typing import Final

#: What is done: one of the values below.
OPERATION: Final = "gen_ai.operation.name"
WORKFLOW: Final = "invoke_workflow"
PLAN: Final = "plan"
AGENT_CALL: Final = "invoke_agent"
CHAT: Final = "chat"

#: A strategy, or a role in one.
AGENT: Final = "gen_ai.agent.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
TEMPERATURE: Final = "gen_ai.request.temperature"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a kind of token that models read
ERROR: Final = "error.type"

#: Texts; only where the operator has switched them on.
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

CLIENT_DURATION: Final = "gen_ai.client.operation.duration"
CLIENT_TOKENS: Final = "gen_ai.client.token.usage"

RPC_DURATION: Final = "rpc.server.call.duration"
RPC_SYSTEM: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.response.status_code"
