// Verifies bundles with @sigstore/verify: a JSON list of cases on stdin, a JSON list of "ok" or of the reason on stdout.
// A case has bundle, trustedRoot, key (base64 of SubjectPublicKeyInfo), hint, and transcript.
const crypto = require("node:crypto");
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { toSignedEntity, toTrustMaterial, Verifier } = require("@sigstore/verify");

function verify({ bundle, trustedRoot, key, hint, transcript }) {
  const keys = { [hint]: { rawBytes: Buffer.from(key, "base64") } };
  const trust = toTrustMaterial(TrustedRoot.fromJSON(trustedRoot), keys);
  const verifier = new Verifier(trust, { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
  // The library leaves the subject to its caller, as does the library in cosign.
  const { subject } = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, "base64"));
  const digest = crypto.createHash("sha256").update(transcript).digest("hex");
  if (!subject.some((named) => named.digest.sha256 === digest)) throw new Error("subject");
}

const cases = JSON.parse(require("node:fs").readFileSync(0));
const verdicts = cases.map((given) => {
  try {
    verify(given);
    return "ok";
  } catch (error) {
    return `${error.code ?? ""} ${error.message}`;
  }
});
process.stdout.write(JSON.stringify(verdicts));
