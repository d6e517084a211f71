"""JSON of strangers."""

from __future__ import annotations

from hypothesis import strategies as st

from proof.bundle import MEDIA_TYPE
from proof.dsse import PAYLOAD_TYPE

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    *("mediaType", "dsseEnvelope", "payload", "payloadType", "signatures", "sig", "keyid", "proof"),
    *("verificationMaterial", "tlogEntries", "inclusionProof", "hashes", "checkpoint", "logIndex"),
]
#: JSON that comes near to a bundle.
almost_bundles = st.recursive(
    json_values | st.sampled_from([MEDIA_TYPE, PAYLOAD_TYPE, "aGVsbG8=", "="]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
