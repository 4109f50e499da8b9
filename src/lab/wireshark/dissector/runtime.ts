/**
 * The part of the dissector that does not depend on the protocol table: it reads the tables before it.
 * It has to run in Lua 5.2 (Wireshark 4.0) and 5.4 (4.4), so bits are read by masks of fields only.
 */
export const RUNTIME = String.raw`
local SIDES = { [0] = "", "front-end", "back-end" }
local KINDS = {
  [0] = "message", "opened", "closed", "channel-closed", "late", "action",
}
local MESSAGE, CLOSED, CHANNEL_CLOSED, LATE, ACTION = 0, 2, 3, 4, 5
local FIXED, HEADER = 40, 12
local TEXT, VIOLATION, DESCRIPTOR, NOTE, DONE, ENDING = 1, 2, 3, 4, 5, 6

-- What the first pass over the packets found: frames by session and number of the message.
local frames, replies = {}, {}

function proto.init()
  frames, replies = {}, {}
end

-- The parts of an item, which NUL separates.
local function split(text)
  local parts, from = {}, 1
  while true do
    local at = text:find("\0", from, true)
    parts[#parts + 1] = text:sub(from, (at or #text + 1) - 1)
    if not at then return parts end
    from = at + 1
  end
end

local function add(tree, field, range, show)
  if show == "mac" or show == "uuid" or show == "text" or show == "bytes" then
    return tree:add(field, range)
  end
  return tree:add_le(field, range)
end

local function add_bits(tree, bits, range, known)
  for _, bit in ipairs(bits or {}) do
    tree:add_le(F[bit[2]], range(bit[1] < 32 and 0 or 4, 4))
    known[bit[1]] = true
  end
end

-- A word of features: the bits of the transport, and of the device type where it is known.
local function add_features(tree, field, range, show, device)
  local node = tree:add_le(field, range)
  local known = {}
  if show == "protocol" then
    add_bits(node, PROTOCOL_BITS, range, known)
  else
    add_bits(node, VIRTIO_BITS, range, known)
    add_bits(node, DEVICE_BITS[device], range, known)
  end
  for bit = 0, 63 do
    local byte = range(math.floor(bit / 8), 1):uint()
    if not known[bit] and math.floor(byte / 2 ^ (bit % 8)) % 2 == 1 then
      node:add(F.unknown_bit, range(math.floor(bit / 8), 1), bit)
    end
  end
end

local function add_parts(tree, prefix, parts, range, base, device)
  for _, part in ipairs(parts) do
    local field, at, size, show = F[prefix .. part[1]], part[2], part[3], part[4]
    if base + at + size <= range:len() then
      local bytes = range(base + at, size)
      if show == "virtio" or show == "protocol" then
        add_features(tree, field, bytes, show, device)
      else
        add(tree, field, bytes, show)
      end
      if part[1] == "index" then
        local ring = bytes(0, 4):le_uint() % (part[5] or 4294967296)
        tree:add(F.ring, bytes, ring):set_generated()
      end
    end
  end
end

-- The part of the configuration space that begins at an offset, by name.
local function add_config(tree, range, device)
  local from, to = range(0, 4):le_uint(), range:len() - FIXED_CONFIG
  for _, part in ipairs(CONFIG[device] or {}) do
    if part[2] >= from and part[2] + part[3] <= from + to then
      add(tree, F[part[1]], range(FIXED_CONFIG + part[2] - from, part[3]), part[4])
    end
  end
end

local function add_list(tree, list, range)
  local count = list.count or range(list.count_at, 4):le_uint()
  local chosen = list.forms[1]
  for _, each in ipairs(list.forms) do
    if list.at + count * each.size == range:len() then chosen = each end
  end
  for i = 0, count - 1 do
    local at = list.at + i * chosen.size
    if at + chosen.size > range:len() then return end
    local bytes = range(at, chosen.size)
    if not list.skips_zero or bytes:le_uint64() ~= UInt64(0, 0) then
      local node = tree:add(proto, bytes, list.name .. " " .. i)
      add_parts(node, list.name .. ".", chosen.parts, bytes, 0)
    end
  end
end

local function fits(form, range)
  local size = range and range:len() or 0
  if size < form.min or size > form.max then return false end
  if form.when_at then return range(form.when_at, 1):uint() == form.when end
  return true
end

-- Shows a payload in the first of the structures that its size allows.
local function add_payload(tree, names, range, device)
  for _, name in ipairs(names) do
    for _, form in ipairs(STRUCTURES[name]) do
      if fits(form, range) then
        if not range then return true end
        add_parts(tree, form.prefix, form.parts, range, 0, device)
        if form.list then add_list(tree, form.list, range) end
        if form.rest and range:len() > form.rest_at then
          tree:add(F[form.prefix .. form.rest], range(form.rest_at))
          if form.is_config then add_config(tree, range, device) end
        end
        return true
      end
    end
  end
  return false
end

-- Header and payload of a message.
local function add_message(tree, buffer, channel, is_reply, is_ack, device)
  local node = tree:add(proto, buffer, "Message")
  node:add_le(F.request_number, buffer(0, 4))
  local flags = node:add_le(F.flags, buffer(4, 4))
  for _, name in ipairs({ "version", "reply", "need_reply", "reserved" }) do
    flags:add_le(F["flags." .. name], buffer(4, 4))
  end
  node:add_le(F.size, buffer(8, 4))
  local known = REQUESTS[channel][buffer(0, 4):le_uint()]
  local payload = buffer:len() > HEADER and buffer(HEADER):tvb():range() or nil
  if known then
    local forms = { is_ack and ACKNOWLEDGEMENT or known[2] }
    if is_reply and not is_ack then forms = known[3] end
    if add_payload(node, forms, payload, device) then return end
    -- Real peers send structures that are too long: the payload is shown as far as it is known.
    if payload and not is_reply then
      local form = STRUCTURES[known[2]][1]
      add_parts(node, form.prefix, form.parts, payload, 0, device)
      if form.list then add_list(node, form.list, payload) end
    end
  end
  if payload then node:add(F.payload, payload) end
end

local function add_descriptor(tree, range, parts)
  local name, role, kind, id, bytes, label = parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]
  local words = name .. (role ~= "" and " as " .. role or "") .. ": " .. kind
  local node = tree:add(F.descriptor, range, words)
  node:add(F["descriptor.name"], range, name)
  if role ~= "" then node:add(F["descriptor.role"], range, role) end
  node:add(F["descriptor.kind"], range, kind)
  if id ~= "" then node:add(F["descriptor.id"], range, id) end
  if label ~= "" then node:add(F["descriptor.label"], range, label) end
  local size = tonumber(bytes)
  if size then node:add(F["descriptor.bytes"], range, UInt64(size % 4294967296, math.floor(size / 4294967296))) end
  return words
end

-- Adds the items of the pseudo-header, and returns what the line of the packet says.
local function add_items(tree, buffer, to)
  local line, extra, at = "", {}, FIXED
  while at + 4 <= to do
    local kind, size = buffer(at, 2):le_uint(), buffer(at + 2, 2):le_uint()
    if at + 4 + size > to then break end
    local whole = buffer(at, 4 + size)
    local text = size > 0 and buffer(at + 4, size):raw() or ""
    local parts = split(text)
    if kind == TEXT then
      line = parts[1]
    elseif kind == NOTE then
      line = parts[1]
      tree:add(F.note, whole, parts[1])
    elseif kind == VIOLATION then
      local node = tree:add(F.violation, whole, parts[1])
      node:add(F["violation.section"], whole, parts[2] or "")
      node:add_proto_expert_info(EXPERTS.violation, parts[1])
      extra[#extra + 1] = "! " .. parts[1]
    elseif kind == DESCRIPTOR and #parts >= 6 then
      extra[#extra + 1] = "{" .. add_descriptor(tree, whole, parts) .. "}"
    elseif kind == DONE then
      line = parts[1]
      tree:add(F.action, whole, parts[1]):add_proto_expert_info(EXPERTS.action, parts[1])
    elseif kind == ENDING then
      local node = tree:add(F.ending, whole, parts[1])
      if parts[1] ~= "closed" then
        node:add_proto_expert_info(EXPERTS.crashed, "the connection ended: " .. parts[1])
      end
    end
    at = at + 4 + size
  end
  return line, table.concat(extra, " ")
end

local function time_of(range)
  local ns = range:le_uint64()
  local second = UInt64(1000000000, 0)
  return NSTime((ns / second):tonumber(), (ns % second):tonumber())
end

-- Links a request with its reply, and a note with the message that it is about.
local function add_links(tree, buffer, pinfo, kind, session, number, answers)
  local key = session .. ":" .. number
  local question = session .. ":" .. answers
  if not pinfo.visited and kind == MESSAGE then
    frames[key] = pinfo.number
    if answers > 0 then replies[question] = pinfo.number end
  end
  if kind ~= MESSAGE then
    if number > 0 and frames[key] then
      tree:add(F.about, buffer(16, 4), frames[key]):set_generated()
    end
    if kind == LATE then
      tree:add(F.waited, buffer(32, 8), time_of(buffer(32, 8))):set_generated()
      tree:add_proto_expert_info(EXPERTS.late, "no reply yet")
    end
    return
  end
  if answers > 0 then
    if frames[question] then
      tree:add(F.response_to, buffer(20, 4), frames[question]):set_generated()
    end
    tree:add(F.rtt, buffer(32, 8), time_of(buffer(32, 8))):set_generated()
  elseif replies[key] then
    tree:add(F.response_in, buffer(16, 4), replies[key]):set_generated()
  end
end

function proto.dissector(buffer, pinfo, root)
  if buffer:len() < FIXED or buffer(0, 3):string() ~= "VHU" or buffer(3, 1):uint() ~= 1 then return 0 end
  local length = buffer(4, 2):le_uint()
  if length < FIXED or length > buffer:len() then return 0 end
  local kind, from, channel = buffer(6, 1):uint(), buffer(7, 1):uint(), buffer(8, 1):uint()
  local is_reply, is_ack = buffer(9, 1):uint() % 2 == 1, buffer(9, 1):uint() % 4 >= 2
  local device, session = buffer(10, 2):le_uint(), buffer(12, 4):le_uint()
  local number, answers = buffer(16, 4):le_uint(), buffer(20, 4):le_uint()
  local has_message = buffer:len() >= length + HEADER
  local known = has_message and REQUESTS[channel] and REQUESTS[channel][buffer(length, 4):le_uint()]
  local name = known and known[1] or has_message and "request " .. buffer(length, 4):le_uint() or ""

  pinfo.cols.protocol = "vhost-user"
  if SIDES[from] and from > 0 then
    pinfo.cols.src = SIDES[from]
    pinfo.cols.dst = SIDES[3 - from]
  end
  local tree = root:add(proto, buffer())
  local capture = tree:add(proto, buffer(0, length), "Trace")
  capture:add_le(F.version, buffer(3, 1))
  capture:add(F.kind, buffer(6, 1), KINDS[kind] or "unknown")
  if from > 0 then capture:add(F.from, buffer(7, 1), SIDES[from] or "unknown") end
  capture:add(F.channel, buffer(8, 1), channel == 2 and "back-end" or "main")
  capture:add(F.is_reply, buffer(9, 1), is_reply)
  if device > 0 then capture:add(F.device, buffer(10, 2), DEVICES[device] or tostring(device)) end
  capture:add_le(F.session, buffer(12, 4))
  if number > 0 then capture:add_le(F.number, buffer(16, 4)) end
  capture:add(F.elapsed, buffer(24, 8), time_of(buffer(24, 8)))
  if name ~= "" then capture:add(F.request, buffer(length, 4), name) end
  local line, extra = add_items(capture, buffer, length)
  add_links(capture, buffer, pinfo, kind, session, number, answers)
  if kind == MESSAGE or kind == ACTION then
    local head = "#" .. session .. " "
    if kind == ACTION then
      head = head .. "message " .. number .. ": "
      name = ""
    elseif is_reply then
      name = name .. " reply"
    end
    pinfo.cols.info = (head .. name .. " " .. line .. " " .. extra):gsub("%s+$", "")
  else
    pinfo.cols.info = "#" .. session .. " -- " .. line
  end
  if has_message then
    if REQUESTS[channel] then
      add_message(tree, buffer(length):tvb():range(), channel, is_reply, is_ack, device)
    end
  elseif kind == MESSAGE then
    tree:add_proto_expert_info(EXPERTS.malformed, "the message is cut off")
  end
  return buffer:len()
end

local encapsulations = DissectorTable.get("wtap_encap")
encapsulations:add(wtap.USER0, proto)
`;
