-- The error mapper: whatever failed, and wherever, leaves as {"detail":{"error":…,"message":…,"request_id":…}}.
--
-- Envoy's own failures come here shaped by local_reply_config, those of a service as the JSON of its google.rpc.Status.
-- An error in this file lets the response pass as it is: the counter lua.errors must stay 0.

-- REST error code → HTTP status. What is not here leaves as 502 orchestration_error.
local STATUS = {
  no_messages = "400", invalid_api_key = "401", not_found = "404", proof_not_found = "404", method_not_allowed = "405",
  idempotency_conflict = "409", idempotency_in_progress = "409", payload_too_large = "413", invalid_request = "422",
  no_compliant_model = "422", rate_limit_exceeded = "429", all_models_failed = "502", orchestration_error = "502",
  no_provider_available = "503", overloaded = "503", deadline_exceeded = "504",
}
-- gRPC code of a failure that is not the suite's own → error, message. Its text may be an exception's: never shown.
local FOREIGN = {
  ["4"] = {"deadline_exceeded", "the request's deadline passed"},
  ["8"] = {"overloaded", "the service has too much to do right now; retry"}, -- gRPC's own limit of pending calls
  ["12"] = {"not_found", "no such route"},
  ["14"] = {"overloaded", "the service is not reachable right now; retry"},
}
local RETRY = {rate_limit_exceeded = true, overloaded = true, idempotency_in_progress = true}
-- What the transcoder calls a field's type → what the field has to be.
local MUST_BE = {
  TYPE_STRING = "a string", TYPE_BOOL = "true or false", TYPE_INT32 = "an integer", TYPE_UINT32 = "an integer",
  TYPE_DOUBLE = "a number", TYPE_FLOAT = "a number",
}

-- The transcoder's complaint in our words. `text` is JSON-escaped and quotes the request, which must not be shown.
local function complaint(text)
  local path, kind = text:match("^([%w_%.%[%]]+): invalid value .* for type ([%w_%./]+)$")
  if path then
    local message = path:sub(-1) == "]" and "an object" or "an object or a list of objects"
    return path .. ": must be " .. (MUST_BE[kind] or message)
  end
  local field = text:match("^: invalid value Starting an object on a scalar field for type ([%w_]+)$")
  if field then return field .. ": must not be an object" end
  field = text:match("Cannot set '([%w_]+)' for type oneof$")
  if field then return field .. ": given twice" end
  if text:find("Root element", 1, true) then return "body: must be an object" end
  if text:find("too deep", 1, true) then return "body: nested too deeply" end
  if text:find("cannot start list", 1, true) then return "body: a list stands where one value belongs" end
  return "body: not a valid request"
end

-- error, message (JSON-escaped) and seconds to wait, of a google.rpc.Status as JSON. An unescaped quote ends a string,
-- so nothing in the message can pass for a detail.
local function of_service(body)
  local code, message, details = body:match('^{"code":(%d+),"message":"(.-)","details":(.*)$')
  local reason, rest = (details or ""):match(
    '"@type":"type%.googleapis%.com/google%.rpc%.ErrorInfo","reason":"([%w_]+)","domain":"openprysm"(.*)$')
  if reason and STATUS[reason] then return reason, message, rest:match('"retry_after_s":"(%d+)"') end
  local foreign = not reason and FOREIGN[code]
  if foreign then return foreign[1], foreign[2] end
  return "orchestration_error", "internal error"
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("openprysm.request", "id", headers:get("x-request-id"))
  metadata:set("openprysm.request", "method", headers:get(":method"))
  metadata:set("openprysm.request", "held", headers:get("if-none-match"))
  -- For the route that is picked once the body is read. The first one is not picked by it, nor is a rate limit.
  local accept = headers:get("accept")
  if accept and accept:lower():find("text/event-stream", 1, true) then metadata:set("openprysm.body", "events", true) end
  -- No part of the API is in the query, and the transcoder would bind it to fields of the request.
  local path = headers:get(":path") -- CONNECT has none
  if path then headers:replace(":path", path:match("^[^?]*")) end
  -- One spelling of a key, since the rate limit counts by this header: the scheme's letters may have either case.
  local key = headers:get("authorization")
  key = key and key:match("prysm_sk_[%w_%-]+$")
  if key then headers:replace("authorization", "Bearer " .. key) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  -- Without metadata Envoy refused the request before it could get an id; what it carries may be the client's.
  local request = handle:streamInfo():dynamicMetadata():get("openprysm.request")
  local id = request and request.id or handle:timestampString(EnvoyTimestampResolution.MICROSECOND)
  headers:replace("x-request-id", id)
  -- To a client that says application/grpc, Envoy's own failures are 200 with the body in grpc-message.
  local hidden = (headers:get("content-type") or ""):find("^application/grpc") and headers:get("grpc-message")
  hidden = hidden and hidden:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  hidden = hidden and hidden:match('^{"detail".*')
  local status = headers:get(":status")
  -- RFC 9110, 13.1.2: whoever holds it gets it by its name. An etag is opaque, so it is in no other one's text.
  local held, etag = request and request.held, headers:get("etag")
  if status == "200" and etag and held and (held == "*" or held:find(etag, 1, true)) then
    if request.method == "GET" then
      handle:body(true):setBytes("")
      headers = handle:headers()
    end
    headers:replace(":status", "304")
    headers:remove("content-length")
    headers:remove("content-type")
    return
  end
  if (status < "400" and not hidden) or (request and request.method == "HEAD") then return end

  local buffer = handle:body(true)
  headers = handle:headers() -- the old handle died while the body was awaited
  local body = hidden or buffer:getBytes(0, buffer:length())
  if body == "" and not request then return end -- HEAD, refused early
  local error, message, retry_after = body:match('^{"detail":{"error":"([%w_]+)","message":"(.-)","request_id":')
  if not error then
    error, message, retry_after = of_service(body)
    status = STATUS[error]
    if error == "invalid_api_key" then headers:replace("www-authenticate", "Bearer") end
    if retry_after or RETRY[error] then headers:replace("retry-after", retry_after or "1") end
  elseif error == "transcoder" then
    error, message = "invalid_request", complaint(message)
  end
  headers:replace(":status", hidden and STATUS[error] or status)
  headers:replace("content-type", "application/json")
  buffer:setBytes('{"detail":{"error":"' .. error .. '","message":"' .. message .. '","request_id":"' .. id .. '"}}')
end
