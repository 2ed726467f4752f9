-- SPDX-License-Identifier: MIT
-- mpp.lua - Wireshark dissector of the Mesh Presence Protocol over RUD
-- (docs/protocol.md sections 3 to 6 and 19).
--
--   tshark -X lua_script:mpp.lua -r capture.pcap
--   wireshark -X lua_script:mpp.lua    or put it into the folder for plugins
--
-- Connection datagrams are shown without any key. With the key log of mppd or
-- mpp (--insecure-key-log, docs/security.md) as the preference "Key log file",
-- headers and contents of data packets are shown too; their tags are not
-- checked.

local mpp = Proto("mpp", "Mesh Presence Protocol over RUD")

mpp.prefs.port = Pref.uint("UDP port", 15099, "UDP port of the service")
mpp.prefs.keylog = Pref.string("Key log file", "",
	"What --insecure-key-log wrote, or is writing")

local f = {
	kind = ProtoField.string("mpp.kind", "Kind"),
	direction = ProtoField.string("mpp.direction", "Direction"),
	type = ProtoField.uint8("mpp.type", "Type", base.DEC),
	version = ProtoField.uint64("mpp.version", "Version"),
	suite = ProtoField.uint64("mpp.suite", "Suite"),
	reply_id = ProtoField.bytes("mpp.reply_id", "Reply id"),
	reply_frame = ProtoField.framenum("mpp.reply_frame", "Answers", base.NONE,
		frametype.RESPONSE),
	ext = ProtoField.none("mpp.ext", "Extension"),
	ext_number = ProtoField.uint8("mpp.ext.number", "Number"),
	ext_name = ProtoField.string("mpp.ext.name", "Name"),
	ext_length = ProtoField.uint32("mpp.ext.length", "Length"),
	ext_value = ProtoField.bytes("mpp.ext.value", "Value"),
	ext_int = ProtoField.uint64("mpp.ext.int", "Value"),
	ext_text = ProtoField.string("mpp.ext.text", "Text"),
	noise_length = ProtoField.uint32("mpp.noise.length", "Noise message length"),
	noise = ProtoField.bytes("mpp.noise", "Noise message"),
	padding = ProtoField.uint32("mpp.padding", "Padding length"),
	stream_id = ProtoField.bytes("mpp.stream_id", "Stream id"),
	header = ProtoField.bytes("mpp.header", "Header, encrypted"),
	sealed = ProtoField.bytes("mpp.sealed", "Ciphertext"),
	tag = ProtoField.bytes("mpp.tag", "Tag"),
	reset_token = ProtoField.bytes("mpp.reset_token", "Reset token"),
	connection = ProtoField.bytes("mpp.connection", "Connection"),
	index = ProtoField.uint64("mpp.index", "Datagram index"),
	flags = ProtoField.uint8("mpp.flags", "Flags", base.HEX),
	final = ProtoField.bool("mpp.flags.final", "Final", 8, nil, 0x01),
	ack = ProtoField.bool("mpp.flags.ack", "Acknowledgement present", 8, nil,
		0x04),
	ack_wanted = ProtoField.bool("mpp.flags.ack_wanted",
		"Acknowledgement wanted", 8, nil, 0x08),
	count = ProtoField.uint8("mpp.count", "Packet count"),
	packet = ProtoField.uint8("mpp.packet", "Packet index"),
	sequence = ProtoField.uint8("mpp.sequence", "Packet sequence"),
	ack_index = ProtoField.uint32("mpp.ack_index", "Received index"),
	ack_bits = ProtoField.uint16("mpp.ack_bits", "Received bits", base.HEX),
	message = ProtoField.bytes("mpp.message", "Message"),
	message_type = ProtoField.string("mpp.message.type", "Message type"),
	message_text = ProtoField.string("mpp.message.text", "Message"),
}
mpp.fields = f

local expert_malformed = ProtoExpert.new("mpp.malformed", "Malformed",
	expert.group.MALFORMED, expert.severity.ERROR)
local expert_odd = ProtoExpert.new("mpp.odd", "Not as it should be",
	expert.group.PROTOCOL, expert.severity.WARN)
mpp.experts = { expert_malformed, expert_odd }

-- src/rud/ext.def: number, name.
local EXTENSIONS = {
	[1] = "Suites",
	[2] = "KeyId",
	[3] = "PublicKey",
	[4] = "Challenge",
	[6] = "Token",
	[7] = "StreamId",
	[9] = "Service",
	[10] = "Claim",
	[11] = "Credential",
	[12] = "Timestamp",
	[13] = "Params",
	[14] = "PathChallenge",
	[15] = "PathResponse",
	[16] = "Renew",
	[17] = "Close",
	[18] = "RetryAfter",
	[19] = "PathLost",
	[20] = "ResetToken",
}

local INITIATOR = {
	[0] = "Error",
	[2] = "InitiatorHello",
	[3] = "InitiatorExchange",
	[4] = "InitiatorComplete",
	[5] = "InitiatorTicket",
}
local RESPONDER = {
	[0] = "Error",
	[2] = "ResponderChallenge",
	[3] = "ResponderComplete",
}

local ID, HEADER, TAG = 16, 16, 16
local OVERHEAD = ID + HEADER + TAG
local STUN_HEADER, STUN_COOKIE = 20, 0x2112a442
local RESET_MIN, RESET_MAX = 32, 40
local LONG_TAG_MAX = 16
local END = 255

---------------------------------------------------------------------------
-- AES (FIPS 197), on tables of octets: the headers are AES-128, the contents
-- AES-256 in counter mode.
---------------------------------------------------------------------------

local bits = bit32 or bit
local bxor, band, rshift = bits.bxor, bits.band, bits.rshift

local SBOX, INVERSE = {}, {}
local MUL = { [2] = {}, [3] = {}, [9] = {}, [11] = {}, [13] = {}, [14] = {} }

local function multiply(a, b)
	local product = 0
	while b ~= 0 do
		if b % 2 == 1 then
			product = bxor(product, a)
		end
		a = a * 2
		if a > 255 then
			a = bxor(a, 0x11b)
		end
		b = (b - b % 2) / 2
	end
	return product
end

local function make_tables()
	-- Powers of the generator 3 give the inverses.
	local power, log, x = {}, {}, 1
	for i = 0, 254 do
		power[i], log[x] = x, i
		x = multiply(x, 3)
	end
	for i = 0, 255 do
		local inverse = i == 0 and 0 or power[(255 - log[i]) % 255]
		local s, turned = inverse, inverse
		for _ = 1, 4 do
			turned = turned * 2
			if turned > 255 then
				turned = turned - 255
			end
			s = bxor(s, turned)
		end
		s = bxor(s, 0x63)
		SBOX[i], INVERSE[s] = s, i
	end
	for factor, row in pairs(MUL) do
		for i = 0, 255 do
			row[i] = multiply(i, factor)
		end
	end
end
make_tables()

-- key: 16 or 32 octets from 0. The round keys as one run of octets.
local function expand(key, length)
	local words, w, rcon = length / 4, {}, 1
	for i = 0, length - 1 do
		w[i] = key[i]
	end
	for i = words, 4 * (words + 7) - 1 do
		local a, b, c, d = w[4 * i - 4], w[4 * i - 3], w[4 * i - 2],
			w[4 * i - 1]
		if i % words == 0 then
			a, b, c, d = bxor(SBOX[b], rcon), SBOX[c], SBOX[d], SBOX[a]
			rcon = multiply(rcon, 2)
		elseif words > 6 and i % words == 4 then
			a, b, c, d = SBOX[a], SBOX[b], SBOX[c], SBOX[d]
		end
		local back = 4 * (i - words)
		w[4 * i] = bxor(w[back], a)
		w[4 * i + 1] = bxor(w[back + 1], b)
		w[4 * i + 2] = bxor(w[back + 2], c)
		w[4 * i + 3] = bxor(w[back + 3], d)
	end
	return w, words + 6
end

local function add_key(s, w, round)
	for i = 0, 15 do
		s[i] = bxor(s[i], w[16 * round + i])
	end
end

-- Substitute, and move row r by r columns (back when decrypting).
local function substitute(s, box, step)
	local out = {}
	for i = 0, 15 do
		out[i] = box[s[(i + step * 4 * (i % 4)) % 16]]
	end
	return out
end

local function mix(s, m0, m1, m2, m3)
	local out = {}
	for c = 0, 12, 4 do
		local a, b, d, e = s[c], s[c + 1], s[c + 2], s[c + 3]
		out[c] = bxor(m0[a], m1[b], m2[d], m3[e])
		out[c + 1] = bxor(m3[a], m0[b], m1[d], m2[e])
		out[c + 2] = bxor(m2[a], m3[b], m0[d], m1[e])
		out[c + 3] = bxor(m1[a], m2[b], m3[d], m0[e])
	end
	return out
end

local ONE = {}
for i = 0, 255 do
	ONE[i] = i
end

local function encrypt(w, rounds, block)
	local s = {}
	for i = 0, 15 do
		s[i] = block[i]
	end
	add_key(s, w, 0)
	for round = 1, rounds - 1 do
		s = mix(substitute(s, SBOX, 1), MUL[2], MUL[3], ONE, ONE)
		add_key(s, w, round)
	end
	s = substitute(s, SBOX, 1)
	add_key(s, w, rounds)
	return s
end

local function decrypt(w, rounds, block)
	local s = {}
	for i = 0, 15 do
		s[i] = block[i]
	end
	add_key(s, w, rounds)
	for round = rounds - 1, 1, -1 do
		s = substitute(s, INVERSE, -1)
		add_key(s, w, round)
		s = mix(s, MUL[14], MUL[11], MUL[13], MUL[9])
	end
	s = substitute(s, INVERSE, -1)
	add_key(s, w, 0)
	return s
end

-- AES-256-GCM without its tag: counter mode from 2 (NIST SP 800-38D).
local function open_unchecked(entry, nonce, data)
	local w, rounds = entry.round_keys, entry.rounds
	local out, block, stream = {}, {}, nil
	if w == nil then
		w, rounds = expand(entry.key, 32)
		entry.round_keys, entry.rounds = w, rounds
	end
	for i = 0, 11 do
		block[i] = nonce[i]
	end
	for i = 0, #data do
		if i % 16 == 0 then
			local counter = 2 + i / 16
			block[12], block[13] = 0, 0
			block[14] = (counter - counter % 256) / 256
			block[15] = counter % 256
			stream = encrypt(w, rounds, block)
		end
		out[i] = bxor(data[i], stream[i % 16])
	end
	return out
end

---------------------------------------------------------------------------
-- Keys
---------------------------------------------------------------------------

local keys = {}       -- by direction: a list of entries
local by_id = {}      -- direction .. stream id: entry
local taken = 0       -- octets of the key log that were read
local questions = {}  -- reply id: number of the frame with the question

local function octets(hex)
	local out, i = {}, 0
	for pair in hex:gmatch("..") do
		out[i] = tonumber(pair, 16)
		i = i + 1
	end
	return out
end

local function take_line(line)
	local way, id, hdr, key, salt = line:match(
		"^RUD1 (to%-%l+) (%x+) (%x+) (%x+) (%x+)%s*$")
	if keys[way] == nil or #id ~= 32 or #hdr ~= 32 or #key ~= 64
			or #salt ~= 8 then
		return
	end
	local entry = { id = id:lower(), key = octets(key), salt = octets(salt) }
	entry.header_keys, entry.header_rounds = expand(octets(hdr), 16)
	table.insert(keys[way], entry)
	if way == "to-device" then
		by_id[way .. entry.id] = entry
	end
end

local function forget_keys()
	keys = { ["to-service"] = {}, ["to-device"] = {} }
	by_id = {}
	taken = 0
end

-- Whole lines that were not read before: while a capture runs, the log grows.
-- True when there were some.
local function read_keys()
	local file = mpp.prefs.keylog ~= "" and io.open(mpp.prefs.keylog, "rb")
	if not file then
		return false
	end
	local size = file:seek("end")
	if size == nil or size <= taken or file:seek("set", taken) == nil then
		file:close()
		return false
	end
	local text = file:read("*a") or ""
	file:close()
	local whole = text:match("^.*\n") or ""
	for line in whole:gmatch("[^\n]+") do
		take_line(line)
	end
	taken = taken + #whole
	return #whole > 0
end

---------------------------------------------------------------------------
-- Primitive encodings. None of these reads behind the end: they give nil.
---------------------------------------------------------------------------

local function octets_of(tvb, at, length)
	local out = {}
	for i = 0, length - 1 do
		out[i] = tvb(at + i, 1):uint()
	end
	return out
end

-- An int: its value (a float: exact below 2^53) and its length.
local function read_int(tvb, at)
	if at >= tvb:len() then
		return nil
	end
	local first = tvb(at, 1):uint()
	local size = ({ 1, 2, 4, 8 })[rshift(first, 6) + 1]
	if at + size > tvb:len() then
		return nil
	end
	local value = band(first, 63)
	for i = 1, size - 1 do
		value = value * 256 + tvb(at + i, 1):uint()
	end
	return value, size
end

local function uint64(value)
	local low = value % 4294967296
	return UInt64.new(low, (value - low) / 4294967296)
end

-- The length of one tag, nil when it has no end.
local function tag_length(tvb, at)
	for i = 0, LONG_TAG_MAX - 1 do
		if at + i >= tvb:len() then
			return nil
		end
		if tvb(at + i, 1):uint() >= 128 then
			return i + 1
		end
	end
	return nil
end

-- One extension behind `at`: {number, tag, at, length, next}, "end", or nil.
local function read_extension(tvb, at)
	local long = tag_length(tvb, at)
	if long == nil then
		return nil
	end
	local last = tvb(at + long - 1, 1):uint()
	if long == 1 and last == END then
		return "end"
	end
	local length, size = read_int(tvb, at + long)
	if length == nil or at + long + size + length > tvb:len() then
		return nil
	end
	local value = at + long + size
	return {
		number = long == 1 and last - 128 or nil,
		tag = tvb(at, long):bytes():tohex(),
		at = value,
		length = length,
		next = value + length,
	}
end

-- Where a list ends, nil when it is none.
local function list_end(tvb, at)
	local e = read_extension(tvb, at)
	while type(e) == "table" do
		at = e.next
		e = read_extension(tvb, at)
	end
	return e == "end" and at + 1 or nil
end

---------------------------------------------------------------------------
-- Trees
---------------------------------------------------------------------------

local function malformed(tree, what)
	tree:add_proto_expert_info(expert_malformed, what)
end

local function add_ints(tree, tvb, e)
	local at = e.at
	while at < e.next do
		local value, size = read_int(tvb, at)
		if value == nil or at + size > e.next then
			return malformed(tree, "An int runs past the end")
		end
		tree:add(f.ext_int, tvb(at, size), uint64(value))
		at = at + size
	end
end

local function add_close(tree, tvb, e)
	local code, size = read_int(tvb, e.at)
	local length, more
	if code ~= nil and e.at + size < e.next then
		length, more = read_int(tvb, e.at + size)
	end
	if length == nil or e.at + size + more + length ~= e.next then
		return malformed(tree, "Close holds an int and bytes")
	end
	tree:add(f.ext_int, tvb(e.at, size), uint64(code))
	if length > 0 then
		tree:add(f.ext_text, tvb(e.at + size + more, length))
	end
end

local function add_text(tree, tvb, e)
	if e.length > 0 then
		tree:add(f.ext_text, tvb(e.at, e.length))
	end
end

local SHOWN = {
	Suites = add_ints,
	Timestamp = add_ints,
	RetryAfter = add_ints,
	PathLost = add_ints,
	Close = add_close,
	Service = add_text,
	Claim = add_text,
}

local function add_extension(tree, tvb, at, e, seen)
	local name = EXTENSIONS[e.number]
	local item = tree:add(f.ext, tvb(at, e.next - at))
	item:append_text(": " .. (name or "unknown") .. " (" .. e.length .. ")")
	if e.number ~= nil then
		item:add(f.ext_number, tvb(at, 1), e.number)
	end
	item:add(f.ext_name, tvb(at, #e.tag / 2), name or e.tag):set_generated()
	item:add(f.ext_length, tvb(at + #e.tag / 2, e.at - at - #e.tag / 2),
		e.length)
	if e.length > 0 then
		item:add(f.ext_value, tvb(e.at, e.length))
	end
	if SHOWN[name] ~= nil then
		SHOWN[name](item, tvb, e)
	end
	if seen[e.tag] then
		malformed(item, "This tag stands twice")
	end
	seen[e.tag] = true
	return name or e.tag
end

-- Adds a whole list: where it ends (nil: malformed) and the names in it.
local function add_list(tree, tvb, at)
	local names, seen = {}, {}
	local e = read_extension(tvb, at)
	while type(e) == "table" do
		table.insert(names, add_extension(tree, tvb, at, e, seen))
		at = e.next
		e = read_extension(tvb, at)
	end
	if e == nil then
		malformed(tree, "The extension list runs past the end")
		return nil, names
	end
	return at + 1, names
end

-- From the type to the end of the Noise message; initiator's have a reply id
-- in the middle, and padding behind it.
local function add_connect(tree, tvb, initiator)
	local at, type = ID + 1, tvb(ID, 1):uint()
	local name = (initiator and INITIATOR or RESPONDER)[type]
		or "type " .. type
	tree:add(f.kind, tvb(ID, 1), name):set_generated()
	tree:add(f.type, tvb(ID, 1)):append_text(" (" .. name .. ")")
	for _, field in ipairs({ f.version, f.suite }) do
		local value, size = read_int(tvb, at)
		if value == nil then
			malformed(tree, "It ends within its version or suite")
			return name
		end
		tree:add(field, tvb(at, size), uint64(value))
		if field == f.suite then
			name = name .. " suite " .. string.format("%.0f", value)
		end
		at = at + size
	end
	if initiator then
		local length, size = read_int(tvb, at)
		if length ~= ID or at + size + ID > tvb:len() then
			malformed(tree, "A reply id has 16 octets")
			return name
		end
		tree:add(f.reply_id, tvb(at + size, ID))
		at = at + size + ID
	end
	return name, at
end

local function add_rest(tree, tvb, at, initiator)
	local behind, names = add_list(tree, tvb, at)
	if behind == nil then
		return names
	end
	local length, size = read_int(tvb, behind)
	if length == nil or behind + size + length > tvb:len() then
		malformed(tree, "The Noise message runs past the end")
		return names
	end
	tree:add(f.noise_length, tvb(behind, size), length)
	at = behind + size
	if length > 0 then
		tree:add(f.noise, tvb(at, length))
	end
	at = at + length
	local padding = tree:add(f.padding, tvb(at), tvb:len() - at)
	if not initiator and at < tvb:len() then
		malformed(padding, "An answer has no padding")
	elseif initiator and tvb:len() < 1200 then
		padding:add_proto_expert_info(expert_odd,
			"A question has at least 1200 octets")
	end
	return names
end

local function say(pinfo, name, names)
	local list = #names > 0 and " {" .. table.concat(names, ", ") .. "}" or ""
	pinfo.cols.info = name .. list
end

local function dissect_initiator(tvb, pinfo, tree)
	local name, at = add_connect(tree, tvb, true)
	local names = {}
	if at ~= nil then
		local id = tvb(at - ID, ID):bytes():tohex():lower()
		if not pinfo.visited then
			questions[id] = pinfo.number
		end
		names = add_rest(tree, tvb, at, true)
	end
	say(pinfo, name, names)
end

local function dissect_responder(tvb, pinfo, tree, question)
	tree:add(f.reply_id, tvb(0, ID))
	if question ~= nil then
		tree:add(f.reply_frame, tvb(0, ID), question):set_generated()
	end
	local name, at = add_connect(tree, tvb, false)
	say(pinfo, name, at ~= nil and add_rest(tree, tvb, at, false) or {})
end

-- Has it the shape of an answer, from the first octet to the last?
local function looks_like_answer(tvb)
	if tvb:len() < ID + 5 or RESPONDER[tvb(ID, 1):uint()] == nil
			or tvb(ID + 1, 1):uint() ~= 1 then
		return false
	end
	local _, size = read_int(tvb, ID + 2)
	local behind = size ~= nil and list_end(tvb, ID + 2 + size)
	if not behind then
		return false
	end
	local length, more = read_int(tvb, behind)
	return length ~= nil and behind + more + length == tvb:len()
end

---------------------------------------------------------------------------
-- Data packets
---------------------------------------------------------------------------

-- What only the right key makes of 16 octets (docs/protocol.md section 6).
local function possible(h)
	return band(h[6], 0xf2) == 0 and h[6] % 2 == 1 and h[7] >= 1
		and h[7] <= 16 and h[8] < h[7] and h[9] <= 15 and h[0] == 0
		and h[1] == 0 and (band(h[6], 4) ~= 0 or h[10] + h[11] + h[12]
			+ h[13] + h[14] + h[15] == 0)
end

local function try(entry, block)
	local h = decrypt(entry.header_keys, entry.header_rounds, block)
	return possible(h) and h or nil
end

-- The entry and the header, or nil. An identifier that is not in the log is
-- tried with all keys of its direction once.
local find_keys
function find_keys(way, id, block)
	local entry = by_id[way .. id]
	if entry then
		return entry, try(entry, block)
	end
	for i = #keys[way], 1, -1 do
		local h = try(keys[way][i], block)
		if h ~= nil then
			by_id[way .. id] = keys[way][i]
			return keys[way][i], h
		end
	end
	if read_keys() then
		return find_keys(way, id, block)
	end
	return nil
end

local function number(h, first, last)
	local value = 0
	for i = first, last do
		value = value * 256 + h[i]
	end
	return value
end

local function add_header(tree, range, entry, h)
	local item = tree:add(f.connection, range,
		ByteArray.new(entry.id):raw())
	item:set_generated()
	local function add(field, value)
		return tree:add(field, range, value):set_generated()
	end
	add(f.index, uint64(number(h, 0, 5)))
	local flags = tree:add(f.flags, range, h[6])
	flags:set_generated()
	flags:add(f.final, range, h[6])
	flags:add(f.ack, range, h[6])
	flags:add(f.ack_wanted, range, h[6])
	add(f.count, h[7])
	add(f.packet, h[8])
	add(f.sequence, h[9])
	add(f.ack_index, number(h, 10, 13))
	add(f.ack_bits, number(h, 14, 15))
end

-- The name of the only member: of JSON a text, of JSON-B a string with a length
-- of one octet.
local function message_type(range)
	local octets = range:raw()
	local first = octets:match('^{%s*"(%w+)"')
	if first == nil and octets:sub(1, 2) == "{\128" and #octets > 2 then
		first = octets:sub(4, 3 + octets:byte(3)):match("^%w+$")
	end
	return first
end

-- Its type.
local function add_message(tree, tvb, at)
	if at >= tvb:len() or tvb(at, 1):uint() == 0 then
		return nil
	end
	local last = tvb:len() - 1
	while tvb(last, 1):uint() == 0 do
		last = last - 1
	end
	local range = tvb(at, last + 1 - at)
	local kind = message_type(range)
	tree:add(f.message, range)
	if kind ~= nil then
		tree:add(f.message_type, range, kind):set_generated()
	end
	-- JSON has a quotation mark behind the brace, JSON-B a tag.
	if range:len() > 1 and range(0, 2):string() == '{"' then
		tree:add(f.message_text, range)
	end
	return kind
end

local function add_content(tree, tvb, entry, h)
	local nonce = {}
	for i = 0, 3 do
		nonce[i] = entry.salt[i]
	end
	for i = 0, 5 do
		nonce[4 + i] = h[i]
	end
	nonce[10], nonce[11] = h[8], h[9]
	local length = tvb:len() - OVERHEAD
	if length == 0 then
		return nil
	end
	local plain = open_unchecked(entry, nonce,
		octets_of(tvb, ID + HEADER, length))
	local hex = {}
	for i = 0, length - 1 do
		hex[i + 1] = string.format("%02x", plain[i])
	end
	local inner = ByteArray.new(table.concat(hex)):tvb("Decrypted")
	local sub = tree:add(mpp, inner(), "Content (its tag is not checked)")
	if h[7] > 1 then
		return nil -- a piece of a datagram
	end
	local behind = add_list(sub, inner, 0)
	return behind ~= nil and add_message(sub, inner, behind) or nil
end

local function dissect_data(tvb, pinfo, tree, way)
	local id = tvb(0, ID):bytes():tohex():lower()
	tree:add(f.kind, tvb(0, ID), "Data"):set_generated()
	tree:add(f.direction, tvb(0, ID), way):set_generated()
	tree:add(f.stream_id, tvb(0, ID))
	tree:add(f.header, tvb(ID, HEADER))
	if tvb:len() > OVERHEAD then
		tree:add(f.sealed, tvb(ID + HEADER, tvb:len() - OVERHEAD))
	end
	tree:add(f.tag, tvb(tvb:len() - TAG, TAG))
	pinfo.cols.info = "Data " .. way
	local entry, h = find_keys(way, id, octets_of(tvb, ID, HEADER))
	if entry == nil then
		return
	end
	if h == nil then
		tree:add_proto_expert_info(expert_odd,
			"The header is none under the key of this connection")
		return
	end
	add_header(tree, tvb(ID, HEADER), entry, h)
	local kind = add_content(tree, tvb, entry, h)
	pinfo.cols.info = string.format("Data %s #%.0f%s%s%s%s", way,
		number(h, 0, 5),
		h[7] > 1 and string.format(" part %d of %d", h[8] + 1, h[7])
			or "",
		band(h[6], 4) ~= 0 and string.format(" ack #%.0f",
			number(h, 10, 13)) or "",
		band(h[6], 8) ~= 0 and " wants ack" or "",
		kind ~= nil and " " .. kind or "")
end

local function dissect_short(tvb, pinfo, tree, way)
	local length = tvb:len()
	if way == "to-device" and length >= RESET_MIN and length <= RESET_MAX then
		tree:add(f.kind, tvb(), "Reset"):set_generated()
		tree:add(f.reset_token, tvb(length - 16, 16))
		pinfo.cols.info = "Stateless reset"
		return
	end
	tree:add(f.kind, tvb(), "Short"):set_generated()
	malformed(tree, "Too short for anything")
	pinfo.cols.info = "Too short"
end

-- STUN comes to the same port (docs/protocol.md section 16), and no packet of
-- ours looks like it: Wireshark's own dissector shows it.
local known, stun = pcall(Dissector.get, "stun-udp")

local function dissect_stun(tvb, pinfo, root)
	if tvb:len() < STUN_HEADER or tvb(0, 1):uint() >= 4
			or tvb(4, 4):uint() ~= STUN_COOKIE then
		return false
	end
	-- With another length it would show nothing at all.
	if known and tvb(2, 2):uint() == tvb:len() - STUN_HEADER then
		stun:call(tvb, pinfo, root)
		return true
	end
	pinfo.cols.protocol = "MPP"
	pinfo.cols.info = "STUN that is none"
	local tree = root:add(mpp, tvb())
	tree:add(f.kind, tvb(), "STUN"):set_generated()
	malformed(tree, "Not a message of STUN")
	return true
end

function mpp.dissector(tvb, pinfo, root)
	if dissect_stun(tvb, pinfo, root) then
		return tvb:len()
	end
	local way = pinfo.dst_port == mpp.prefs.port and "to-service"
		or "to-device"
	pinfo.cols.protocol = "MPP"
	if tvb:len() == 0 then
		return 0
	end
	local tree = root:add(mpp, tvb())
	local id = tvb:len() >= ID and tvb(0, ID):bytes():tohex():lower() or ""
	if id == ("0"):rep(2 * ID) and tvb:len() > ID then
		dissect_initiator(tvb, pinfo, tree)
	elseif way == "to-device" and tvb:len() > ID
			and (questions[id] ~= nil or looks_like_answer(tvb)) then
		dissect_responder(tvb, pinfo, tree, questions[id])
	elseif tvb:len() >= OVERHEAD then
		dissect_data(tvb, pinfo, tree, way)
	else
		dissect_short(tvb, pinfo, tree, way)
	end
	return tvb:len()
end

function mpp.init()
	questions = {}
	forget_keys()
	read_keys()
end

local udp, bound = DissectorTable.get("udp.port"), mpp.prefs.port
udp:add(bound, mpp)

function mpp.prefs_changed()
	udp:remove(bound, mpp)
	bound = mpp.prefs.port
	udp:add(bound, mpp)
	forget_keys()
	read_keys()
end

forget_keys()
