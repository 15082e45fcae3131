-- jsonmsg: a Wireshark dissector for the lab's JSON-header message protocol, on TCP port 65432.
--
-- It is written from docs/protocol.md and from nothing else: it shares no line with services/wire, so that the two
-- can be compared. What it shows, it found in the packets.
--
-- Its rules:
--   * Every message is shown where its last byte arrived: the header's length, each header, the content.
--   * A message that breaks the protocol is shown as far as it was understood, with an error, jsonmsg.malformed, that
--     says what is wrong and where. The bytes after it, in that direction of that connection, are not decoded: where
--     the next message would begin is not known. They are marked jsonmsg.untrusted.
--   * A stream that ends (FIN) or is reset (RST) inside a message is malformed in the frame that ended it.
--   * Nothing waits for more than the protocol allows: a content length above the limit is an error at once.
--
-- What it must not know: sockets, roles, drills. What it does not do: guess at the middle of a stream (a capture has to
-- begin before the connection's first message) or put segments in order. That is tcp's, and off by default, when a
-- segment that overtook another is read as if it stood at the start of a message: so it is switched on, below.
--
-- It runs on Lua 5.2 (Wireshark up to 4.2) and on Lua 5.4 (from 4.4): no operators that only one of them has.

local PORT = 65432
local TLS_PORT = 65433
local LENGTH_SIZE = 2
local CONTENT_LIMIT = 16 * 1024 * 1024
local CONTAINER_LIMIT = 100
local INTEGER_LIMIT = 4300
local SUMMARY_CHARACTERS = 80
local SUMMARY_BYTES = 20
local JSON_CONTENT_LIMIT = 1024 * 1024 -- a larger content is shown, and not checked: Wireshark would stand still
local SUMMARY_NUMBERS = 8
local TREE_NUMBERS = 64 -- of an array; the others are in its bytes

local jsonmsg = Proto("jsonmsg", "JSON message")

jsonmsg.prefs.content_limit = Pref.uint("Content limit (bytes)", CONTENT_LIMIT,
    "A message that announces more content than this is malformed")

local fields = {
    header_length = ProtoField.uint16("jsonmsg.header_length", "Header length", base.DEC),
    header = ProtoField.string("jsonmsg.header", "Header"),
    byteorder = ProtoField.string("jsonmsg.header.byteorder", "Byte order"),
    content_type = ProtoField.string("jsonmsg.header.content_type", "Content type"),
    content_encoding = ProtoField.string("jsonmsg.header.content_encoding", "Content encoding"),
    content_length = ProtoField.uint64("jsonmsg.header.content_length", "Content length", base.DEC),
    field = ProtoField.string("jsonmsg.header.field", "Field"),
    content = ProtoField.bytes("jsonmsg.content", "Content"),
    text = ProtoField.string("jsonmsg.content.text", "Text"),
    element = ProtoField.string("jsonmsg.array.element", "Element"),
    count = ProtoField.uint64("jsonmsg.array.count", "Count", base.DEC),
    integer = ProtoField.int64("jsonmsg.array.integer", "Integer", base.DEC),
    unsigned = ProtoField.uint64("jsonmsg.array.unsigned", "Unsigned integer", base.DEC),
    float32 = ProtoField.float("jsonmsg.array.float32", "Float"),
    float64 = ProtoField.double("jsonmsg.array.float64", "Float"),
    summary = ProtoField.string("jsonmsg.summary", "Summary"),
    reason = ProtoField.string("jsonmsg.malformed.reason", "Malformed because"),
}
jsonmsg.fields = fields

local experts = {
    malformed = ProtoExpert.new("jsonmsg.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
    wrong_content = ProtoExpert.new("jsonmsg.content.wrong", "Wrong content",
        expert.group.PROTOCOL, expert.severity.WARN),
    untrusted = ProtoExpert.new("jsonmsg.untrusted", "Not decoded: after a malformed message",
        expert.group.UNDECODED, expert.severity.WARN),
}
jsonmsg.experts = experts

-- UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF -----------------------------------------

-- For each first byte: how many bytes follow, and the bounds of the first of them.
local function utf8_form(first)
    if first >= 0xC2 and first <= 0xDF then return 1, 0x80, 0xBF end
    if first == 0xE0 then return 2, 0xA0, 0xBF end
    if first == 0xED then return 2, 0x80, 0x9F end
    if first >= 0xE1 and first <= 0xEF then return 2, 0x80, 0xBF end
    if first == 0xF0 then return 3, 0x90, 0xBF end
    if first >= 0xF1 and first <= 0xF3 then return 3, 0x80, 0xBF end
    if first == 0xF4 then return 3, 0x80, 0x8F end
    return nil
end

-- The offset (from 0) of the first byte that is not UTF-8, or nil.
local function utf8_error(text)
    local at = text:find("[\128-\255]")
    while at do
        local following, low, high = utf8_form(text:byte(at))
        if not following then return at - 1 end
        for i = 1, following do
            local byte = text:byte(at + i)
            if not byte or byte < low or byte > high then return at - 1 end
            low, high = 0x80, 0xBF
        end
        at = text:find("[\128-\255]", at + following + 1)
    end
    return nil
end

local function utf8_character(code)
    if code < 0x80 then return string.char(code) end
    if code < 0x800 then
        return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40)
    end
    if code < 0x10000 then
        return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end
    return string.char(0xF0 + math.floor(code / 0x40000), 0x80 + math.floor(code / 0x1000) % 0x40,
        0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

local function printable(text)
    text = text:gsub("[\0-\31\127]", function(character)
        return string.format("\\u%04x", character:byte())
    end)
    text = text:gsub("\237([\160-\191])([\128-\191])", function(second, third) -- a lone surrogate
        return string.format("\\u%04x", 0xD000 + (second:byte() - 0x80) * 0x40 + third:byte() - 0x80)
    end)
    return text
end

local function shortened(text)
    local characters, at = 0, 1
    while at <= #text do
        if characters == SUMMARY_CHARACTERS then return text:sub(1, at - 1) .. "…" end
        at = text:find("[^\128-\191]", at + 1) or #text + 1
        characters = characters + 1
    end
    return text
end

-- JSON (RFC 8259), and nothing that is not JSON --------------------------------------------------------------------
--
-- A value is a table: kind ("object", "array", "string", "integer", "number", "true", "false", "null"), from and to
-- (offsets of its first byte and of the byte after its last one), string (a string's decoded text; a lone surrogate,
-- which an escape can make, in the three bytes that UTF-8 would have for it), members (an object's, in order: name and
-- value).

local Json = {}
Json.__index = Json

function Json:fail(what, at)
    error({ problem = string.format("%s at byte %d", what, (at or self.at) - 1) }, 0)
end

function Json:skip_space()
    self.at = self.text:find("[^ \t\r\n]", self.at) or #self.text + 1
end

function Json:next_is(character)
    if self.text:sub(self.at, self.at) ~= character then return false end
    self.at = self.at + 1
    return true
end

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

function Json:hex4(at)
    local digits = self.text:match("^%x%x%x%x", at)
    if not digits then self:fail("an escape without four hex digits", at - 2) end
    return tonumber(digits, 16)
end

function Json:escape()
    local at = self.at
    local kind = self.text:sub(at + 1, at + 1)
    if ESCAPES[kind] then
        self.at = at + 2
        return ESCAPES[kind]
    end
    if kind ~= "u" then self:fail("an unknown escape", at) end
    local code = self:hex4(at + 2)
    self.at = at + 6
    if code >= 0xD800 and code <= 0xDBFF and self.text:sub(at + 6, at + 7) == "\\u" then
        local low = self:hex4(at + 8)
        if low >= 0xDC00 and low <= 0xDFFF then
            self.at = at + 12
            return utf8_character(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00)
        end
    end
    return utf8_character(code)
end

function Json:string()
    local pieces = {}
    local from = self.at
    self.at = from + 1
    while true do
        local stop = self.text:find('[\0-\31"\\]', self.at)
        if not stop then self:fail("a string without an end", from) end
        pieces[#pieces + 1] = self.text:sub(self.at, stop - 1)
        self.at = stop
        local character = self.text:sub(stop, stop)
        if character == '"' then break end
        if character == "\\" then
            pieces[#pieces + 1] = self:escape()
        else
            self:fail("a control character in a string", stop)
        end
    end
    self.at = self.at + 1
    return { kind = "string", string = table.concat(pieces) }
end

function Json:number()
    local from = self.at
    local whole = self.text:match("^%-?[1-9]%d*", from) or self.text:match("^%-?0", from)
    if not whole then self:fail("no JSON value") end
    self.at = from + #whole
    local fraction = self.text:match("^%.%d+", self.at) or ""
    self.at = self.at + #fraction
    local exponent = self.text:match("^[eE][+-]?%d+", self.at) or ""
    self.at = self.at + #exponent
    if fraction .. exponent ~= "" then return { kind = "number" } end
    if #whole:gsub("-", "") > INTEGER_LIMIT then
        self:fail("an integer of more than " .. INTEGER_LIMIT .. " digits", from)
    end
    return { kind = "integer" }
end

function Json:object()
    local members, seen = {}, {}
    self.at = self.at + 1
    self:skip_space()
    if self:next_is("}") then return { kind = "object", members = members } end
    repeat
        self:skip_space()
        local from = self.at
        if self.text:sub(from, from) ~= '"' then self:fail("no name of a member") end
        local name = self:string().string
        if seen[name] then self:fail("a name for the second time in one object", from) end
        seen[name] = true
        self:skip_space()
        if not self:next_is(":") then self:fail('no ":" after a name') end
        local value = self:value()
        members[#members + 1] = { name = name, value = value, from = from - 1, to = value.to }
        self:skip_space()
    until not self:next_is(",")
    if not self:next_is("}") then self:fail('neither "," nor "}" after a member') end
    return { kind = "object", members = members }
end

function Json:array()
    self.at = self.at + 1
    self:skip_space()
    if self:next_is("]") then return { kind = "array" } end
    repeat
        self:value()
        self:skip_space()
    until not self:next_is(",")
    if not self:next_is("]") then self:fail('neither "," nor "]" after an element') end
    return { kind = "array" }
end

function Json:value()
    self:skip_space()
    local from = self.at
    local first = self.text:sub(from, from)
    local value
    if first == "{" or first == "[" then
        self.containers = self.containers + 1
        if self.containers > CONTAINER_LIMIT then
            self:fail("more than " .. CONTAINER_LIMIT .. " objects and arrays")
        end
        value = first == "{" and self:object() or first == "[" and self:array()
    elseif first == '"' then
        value = self:string()
    else
        local word = self.text:match("^%a+", from)
        if word == "true" or word == "false" or word == "null" then
            self.at = from + #word
            value = { kind = word }
        else
            value = self:number()
        end
    end
    value.from, value.to = from - 1, self.at - 1
    return value
end

-- The value of a whole JSON text, or nil and what is wrong with it.
local function parse_json(text)
    local parser = setmetatable({ text = text, at = 1, containers = 0 }, Json)
    local good, result = pcall(function()
        local value = parser:value()
        parser:skip_space()
        if parser.at <= #text then parser:fail("something after the JSON value") end
        return value
    end)
    if good then return result end
    if type(result) ~= "table" then error(result, 0) end -- a mistake in this file, not in the message
    return nil, result.problem
end

-- The header: which members it must have, and which values they may have -------------------------------------------

-- Each check returns what is wrong, or nil.
local function must_be_string(value)
    if value.kind ~= "string" then return "is not a string" end
end

local function must_be_one_of(...)
    local allowed, names = {}, table.concat({ ... }, ", ")
    for _, name in ipairs({ ... }) do allowed[name] = true end
    return function(value)
        if value.kind ~= "string" then return "is not a string" end
        if not allowed[value.string] then return "is none of: " .. names end
    end
end

local function must_be_length(value, source)
    if value.kind ~= "integer" then return "is not an integer" end
    local length = tonumber(source)
    if length < 0 then return "is negative" end
    if length > jsonmsg.prefs.content_limit then
        return string.format("is above the limit of %d", jsonmsg.prefs.content_limit)
    end
end

-- In the order in which they are looked at. A later version of the protocol adds its encodings here, and in DECODERS.
local REQUIRED = {
    { name = "byteorder", field = fields.byteorder, check = must_be_one_of("big", "little") },
    { name = "content-length", field = fields.content_length, check = must_be_length },
    { name = "content-type", field = fields.content_type, check = must_be_string },
    { name = "content-encoding", field = fields.content_encoding, check = must_be_one_of("utf-8", "binary", "utf-16",
        "utf-16-le", "utf-16-be", "utf-32", "latin-1") },
}

-- Text: from each content-encoding to UTF-8 -------------------------------------------------------------------------
--
-- Each decoder takes the content and returns the text without its byte order mark, or nil and what is wrong with it.

local UTF8_MARK = "\239\187\191"

local function utf8_text(source)
    if source:sub(1, 3) == UTF8_MARK then source = source:sub(4) end
    local at = utf8_error(source)
    if at then return nil, string.format("the content is not UTF-8 at byte %d", at) end
    return source
end

-- Reads units of two or four bytes from an offset on. A unit of four is a character; of two, it may be half of one.
local function wide_text(source, size, is_big, from)
    if (#source - from) % size ~= 0 then return nil, "the content ends inside a character" end
    local pieces, high = {}, nil
    for at = from + 1, #source, size do
        local a, b, c, d = source:byte(at, at + size - 1)
        local code
        if size == 2 then
            code = is_big and a * 0x100 + b or b * 0x100 + a
        elseif is_big then
            code = ((a * 0x100 + b) * 0x100 + c) * 0x100 + d
        else
            code = ((d * 0x100 + c) * 0x100 + b) * 0x100 + a
        end
        local is_high, is_low = code >= 0xD800 and code <= 0xDBFF, code >= 0xDC00 and code <= 0xDFFF
        if code > 0x10FFFF or size == 4 and (is_high or is_low) or (high ~= nil) ~= is_low then
            return nil, string.format("the content is not UTF-%d at byte %d", size * 8, at - 1)
        end
        if is_high then
            high = code
        else
            if is_low then code = 0x10000 + (high - 0xD800) * 0x400 + code - 0xDC00 end
            pieces[#pieces + 1] = utf8_character(code)
            high = nil
        end
    end
    if high then return nil, "the content ends inside a character" end
    return table.concat(pieces)
end

-- With marks, the content has to begin with one of them.
local function wide_decoder(size, big_mark, little_mark)
    return function(source)
        local is_big = source:sub(1, size) == big_mark
        if not is_big and source:sub(1, size) ~= little_mark then return nil, "the content has no byte order mark" end
        return wide_text(source, size, is_big, size)
    end
end

local function latin_text(source)
    return (source:gsub("[\128-\255]", function(character) return utf8_character(character:byte()) end))
end

local DECODERS = {
    ["utf-8"] = utf8_text,
    ["utf-16"] = wide_decoder(2, "\254\255", "\255\254"),
    ["utf-16-le"] = function(source) return wide_text(source, 2, false, 0) end,
    ["utf-16-be"] = function(source) return wide_text(source, 2, true, 0) end,
    ["utf-32"] = wide_decoder(4, "\0\0\254\255", "\255\254\0\0"),
    ["latin-1"] = latin_text,
}

-- Arrays of numbers --------------------------------------------------------------------------------------------------

local ARRAY_TYPE = "binary/array"

-- Each element's size, its field, and how it is read: big-endian, little-endian.
local ELEMENTS = {}
for _, size in ipairs({ 1, 2, 4, 8 }) do
    local whole = size == 8 and "int64" or "int"
    ELEMENTS["int" .. size * 8] = { size = size, field = fields.integer, big = whole, little = "le_" .. whole }
    ELEMENTS["uint" .. size * 8] = { size = size, field = fields.unsigned, big = "u" .. whole, little = "le_u" .. whole }
end
ELEMENTS.float32 = { size = 4, field = fields.float32, big = "float", little = "le_float", format = "%.9g" }
ELEMENTS.float64 = { size = 8, field = fields.float64, big = "float", little = "le_float", format = "%.17g" }

-- Finds out what the header says of an array. Returns what is wrong with it, or nil.
local function read_array(message)
    local named = message.named
    if named["content-encoding"].value.string ~= "binary" then return "an array is not binary" end
    for _, name in ipairs({ "element", "count" }) do
        if not named[name] then return string.format('the array has no "%s"', name) end
    end
    if named.element.value.kind ~= "string" then return 'the array\'s "element" is not a string' end
    local element = ELEMENTS[named.element.value.string]
    if not element then return 'the array\'s "element" is none that there is' end
    if named.count.value.kind ~= "integer" then return 'the array\'s "count" is not an integer' end
    local count = tonumber(named.count.source)
    if count < 0 then return 'the array\'s "count" is negative' end
    if count * element.size ~= message.content_length then
        return string.format("the array has %d bytes, and each of its %s elements %d", message.content_length,
            shortened(named.count.source), element.size)
    end
    message.array = { element = element, name = named.element.value.string, count = count }
    message.array.is_big = named["byteorder"].value.string == "big"
    return nil
end

local function number_text(array, range)
    local value = range[array.is_big and array.element.big or array.element.little](range)
    if not array.element.format then return tostring(value) end
    if value ~= value then return "nan" end
    return string.format(array.element.format, value)
end

local function array_summary(message)
    local array, numbers = message.array, {}
    for at = 1, math.min(array.count, SUMMARY_NUMBERS) do
        numbers[at] = number_text(array, message.content:range((at - 1) * array.element.size, array.element.size))
    end
    if array.count > SUMMARY_NUMBERS then numbers[#numbers + 1] = "…" end
    return string.format(" %s × %d: %s", array.name, array.count, table.concat(numbers, ", "))
end

local function show_array(tree, content, message)
    local array = message.array
    local function of(member)
        return message.header:range(member.from, member.to - member.from)
    end
    tree:add(fields.element, of(message.named.element), array.name)
    tree:add(fields.count, of(message.named.count), UInt64.new(array.count))
    for at = 1, math.min(array.count, TREE_NUMBERS) do
        local range = message.content:range((at - 1) * array.element.size, array.element.size)
        if array.is_big then
            content:add(array.element.field, range)
        else
            content:add_le(array.element.field, range)
        end
    end
end

-- One message: what could be read of it, what is wrong with it, or how many bytes it needs ---------------------------

local function read_header(message, source)
    local wrong = utf8_error(source)
    if wrong then return string.format("the header is not UTF-8 at byte %d", wrong) end
    local value, problem = parse_json(source)
    if not value then return "the header is not JSON: " .. problem end
    if value.kind ~= "object" then return "the header is not a JSON object" end
    message.members = value.members
    local named = {}
    for _, member in ipairs(value.members) do
        member.source = source:sub(member.value.from + 1, member.value.to)
        named[member.name] = member
    end
    message.named = named
    for _, required in ipairs(REQUIRED) do
        local member = named[required.name]
        if not member then return string.format('the header has no "%s"', required.name) end
        local what = required.check(member.value, member.source)
        if what then
            return string.format('"%s" %s: %s at byte %d of the header', required.name, what,
                printable(shortened(member.source)), member.value.from)
        end
    end
    message.content_length = tonumber(named["content-length"].source)
    message.decode = DECODERS[named["content-encoding"].value.string]
    return nil
end

-- Returns what is wrong with the content. That does not break the stream: the next message can still be found.
local function read_content(message, source)
    if message.named["content-type"].value.string == ARRAY_TYPE then return read_array(message) end
    if message.named["content-type"].value.string ~= "text/json" then return nil end
    if not message.decode then return "the content has no character encoding" end
    if #source > JSON_CONTENT_LIMIT and message.decode ~= utf8_text then return nil end
    local text, problem = message.decode(source)
    if not text then return problem end
    message.text = text
    if #source > JSON_CONTENT_LIMIT then return nil end
    local _, wrong = parse_json(text)
    return wrong and "the content is not JSON: " .. wrong
end

-- Returns a message and, when it is not whole yet, how many bytes it needs in all to come one step further.
local function read_message(tvb, offset)
    local available = tvb:len() - offset
    local message = { offset = offset }
    if available < LENGTH_SIZE then return message, LENGTH_SIZE end
    message.header_length = tvb(offset, LENGTH_SIZE):uint()
    local content_at = LENGTH_SIZE + message.header_length
    if available < content_at then return message, content_at end
    if message.header_length > 0 then
        message.header = tvb(offset + LENGTH_SIZE, message.header_length)
    end
    message.size = content_at
    message.problem = read_header(message, message.header and message.header:raw() or "")
    if message.problem then return message end
    local size = content_at + message.content_length
    if available < size then return message, size end
    message.size = size
    if message.content_length > 0 then
        message.content = tvb(offset + content_at, message.content_length)
    end
    message.wrong_content = read_content(message, message.content and message.content:raw() or "")
    return message
end

local function beginning(range, size)
    return range:range(0, math.min(range:len(), size))
end

local function content_summary(message)
    if not message.content then return message.array and array_summary(message) or "" end
    if message.array then return array_summary(message) end
    if message.text then return " " .. printable(shortened(message.text:sub(1, 4 * (SUMMARY_CHARACTERS + 1)))) end
    local first = beginning(message.content, SUMMARY_BYTES)
    local more = first:len() < message.content:len() and "…" or ""
    return " " .. tostring(first:bytes()):lower() .. more
end

local function summary_of(message)
    if message.problem then return "malformed: " .. message.problem end
    local named = message.named
    return string.format("%s %s %s %d bytes%s", named["byteorder"].value.string,
        printable(shortened(named["content-type"].value.string)), named["content-encoding"].value.string,
        message.content_length, content_summary(message))
end

-- The tree ---------------------------------------------------------------------------------------------------------

local function show_member(tree, message, member)
    local range = message.header:range(member.from, member.to - member.from)
    local is_string = member.value.kind == "string"
    local shown = printable(is_string and member.value.string or member.source)
    tree:add(fields.field, range, printable(member.name) .. ": " .. shown)
    for _, required in ipairs(REQUIRED) do
        if required.name == member.name then
            if required.field ~= fields.content_length then
                if is_string then tree:add(required.field, range, shown) end
            elseif member.value.kind == "integer" and #member.source <= 15 and tonumber(member.source) >= 0 then
                tree:add(required.field, range, UInt64.new(tonumber(member.source)))
            end
        end
    end
end

local function mark_malformed(tree, range, problem)
    tree:add(fields.reason, range, problem):set_generated()
    tree:add_proto_expert_info(experts.malformed, "Malformed: " .. problem)
end

local function show_message(root, tvb, message)
    local whole = tvb(message.offset, message.size)
    local summary = summary_of(message)
    local tree = root:add(jsonmsg, whole)
    tree:append_text(", " .. summary)
    tree:add(fields.summary, whole, summary):set_generated()
    tree:add(fields.header_length, tvb(message.offset, LENGTH_SIZE))
    if message.header then
        local header = tree:add_packet_field(fields.header, message.header, ENC_UTF_8)
        for _, member in ipairs(message.members or {}) do show_member(header, message, member) end
    end
    if message.content then
        local content = tree:add(fields.content, message.content)
        if message.text then content:add(fields.text, message.content, message.text) end
        if message.array then show_array(tree, content, message) end
    elseif message.array then
        show_array(tree, nil, message)
    end
    if message.wrong_content then
        tree:add_proto_expert_info(experts.wrong_content, "Wrong content: " .. message.wrong_content)
    end
    if message.problem then mark_malformed(tree, whole, message.problem) end
    return summary
end

local function show_untrusted(root, range, broken)
    local tree = root:add(jsonmsg, range)
    local text = string.format("%d bytes not decoded: %s in frame %d", range:len(), broken.why, broken.frame)
    tree:append_text(", " .. text)
    tree:add_proto_expert_info(experts.untrusted, text)
    return text
end

-- The streams ------------------------------------------------------------------------------------------------------
--
-- Wireshark dissects a capture once in order, and then again any frame in any order (pinfo.visited). So what the first
-- pass finds out is kept by frame, and the later passes only look it up. The first pass may have no tree, and then no
-- fields of other protocols either (tshark -2, Wireshark): so the TCP header is read here.

local SEQUENCE_SPACE = 0x100000000 -- not 2 ^ 32, which is a float in Lua 5.4 and is printed as one
local HEADERS_WITHIN = 128 -- where in a frame an IP header may begin: behind any link layer, a VLAN tag or a tunnel
local FIN, SYN, RST, ACK = 1, 2, 4, 16

local opened   -- by both ends: the frames and sequence numbers of the SYNs of the connections between them
local position -- by direction: the sequence number of the next message; unknown if the capture has no SYN
local waiting  -- by direction: the message that is not whole yet
local broken   -- by direction: where decoding had to stop, and why
local ended    -- by frame: what was cut short there

function jsonmsg.init()
    opened, position, waiting, broken, ended = {}, {}, {}, {}, {}
end

local function ends_of(pinfo)
    return tostring(pinfo.src) .. " " .. pinfo.src_port, tostring(pinfo.dst) .. " " .. pinfo.dst_port
end

-- Names the connection as well as the ends, for ports are used again.
local function direction_between(from, to, frame)
    local began = 0
    for _, syn in ipairs(opened[from .. " > " .. to] or {}) do
        if syn.frame <= frame then began = syn.frame end
    end
    return string.format("%s > %s since %d", from, to, began)
end

local function direction_of(pinfo)
    local from, to = ends_of(pinfo)
    return direction_between(from, to, pinfo.number)
end

local function distance(from, to)
    return (to - from) % SEQUENCE_SPACE
end

local function tell_column(pinfo, summaries)
    if #summaries == 0 then return end
    pinfo.cols.protocol = "JSONMSG"
    local text = table.concat(summaries, " | ")
    if pinfo.private["jsonmsg_told"] then text = " | " .. text end
    pinfo.private["jsonmsg_told"] = "yes"
    pinfo.cols.info:set(text)
    pinfo.cols.info:fence() -- what follows, of ours or of tcp's, is added to it
end

-- In the first pass all that comes once a direction is broken is behind that place. In a later pass the place says so:
-- the frame, then which buffer (a reassembled one has offset 0; what else the segment holds has a larger one).
local function is_behind(place, tvb, pinfo, offset)
    if not pinfo.visited then return true end
    if pinfo.number ~= place.frame then return pinfo.number > place.frame end
    if tvb:offset() ~= place.buffer then return tvb:offset() > place.buffer end
    return offset > place.offset
end

local function break_off(direction, tvb, pinfo, offset, why)
    if pinfo.visited then return end
    broken[direction] = { frame = pinfo.number, buffer = tvb:offset(), offset = offset, why = why }
end

local function remember(tvb, pinfo, direction, before, offset, needed, is_tls)
    local is_same = before and offset == 0 and tvb:offset() == 0
    waiting[direction] = {
        frame = is_same and before.frame or pinfo.number,
        start = not is_tls and position[direction] or nil,
        seen = tvb:len() - offset,
        needed = needed,
    }
end

local function dissect(tvb, pinfo, root, is_tls)
    local direction = direction_of(pinfo)
    local before = waiting[direction]
    local summaries = {}
    local offset = 0
    if not pinfo.visited then waiting[direction] = nil end
    while offset < tvb:len() do
        local place = broken[direction]
        if place and is_behind(place, tvb, pinfo, offset) then
            summaries[#summaries + 1] = show_untrusted(root, tvb(offset), place)
            break
        end
        local message, needed = read_message(tvb, offset)
        if not needed then
            summaries[#summaries + 1] = show_message(root, tvb, message)
            if message.problem then break_off(direction, tvb, pinfo, offset, "a message was malformed") end
            offset = offset + message.size
            if position[direction] and not pinfo.visited then
                position[direction] = (position[direction] + message.size) % SEQUENCE_SPACE
            end
        elseif pinfo.can_desegment > 0 then
            if not pinfo.visited then remember(tvb, pinfo, direction, before, offset, needed, is_tls) end
            -- An exact count may be asked for once only: TLS miscounts the second one (tried with tshark 4.4.18).
            local is_last = message.content_length ~= nil
            pinfo.desegment_offset = offset
            pinfo.desegment_len = is_last and needed - (tvb:len() - offset) or DESEGMENT_ONE_MORE_SEGMENT
            break
        elseif place then -- a later pass, at the place itself
            summaries[#summaries + 1] = show_untrusted(root, tvb(offset), place)
            break
        else -- the frame was captured in part, or tcp.desegment_tcp_streams is off: neither is the sender's fault
            break_off(direction, tvb, pinfo, offset, "a message could not be reassembled")
        end
    end
    tell_column(pinfo, summaries)
    return tvb:len()
end

function jsonmsg.dissector(tvb, pinfo, root)
    return dissect(tvb, pinfo, root, false)
end

-- The same in TLS, whose bytes have no TCP sequence numbers. Its own protocol only so that it knows.
local jsonmsg_tls = Proto("jsonmsg_tls", "JSON message in TLS")

function jsonmsg_tls.dissector(tvb, pinfo, root)
    return dissect(tvb, pinfo, root, true)
end

-- The end of a stream ----------------------------------------------------------------------------------------------
--
-- tcp hands over the bytes of a message that is not whole only when more of them come, and never says "that was all".
-- So a second dissector looks at every frame after all others did, and at each FIN or RST asks what is still waiting.

local ending = Proto("jsonmsg_ending", "JSON message, end of stream")

-- The offset of the TCP header in a frame, and the size of header and data; nil if there is none.
local function find_tcp(frame, pinfo)
    local function ports_at(at)
        return at + 20 <= frame:len() and frame(at, 2):uint() == pinfo.src_port
            and frame(at + 2, 2):uint() == pinfo.dst_port
    end
    for at = 0, math.min(HEADERS_WITHIN, frame:len() - 40) do
        local first = frame(at, 1):uint()
        if first >= 0x45 and first <= 0x4F and frame(at + 9, 1):uint() == 6 then
            local header = (first - 0x40) * 4
            if ports_at(at + header) then return at + header, frame(at + 2, 2):uint() - header end
        elseif first >= 0x60 and first <= 0x6F and frame(at + 6, 1):uint() == 6 and ports_at(at + 40) then
            return at + 40, frame(at + 4, 2):uint()
        end
    end
    return nil
end

local function has_flag(flags, flag)
    return math.floor(flags / flag) % 2 == 1
end

local function note_opening(from, to, frame, sequence)
    local connections = opened[from .. " > " .. to] or {}
    local last = connections[#connections]
    if last and last.sequence == sequence then return end -- the same SYN, repeated or duplicated
    connections[#connections + 1] = { frame = frame, sequence = sequence }
    opened[from .. " > " .. to], opened[to .. " > " .. from] = connections, connections
end

-- `stop` is the sequence number behind this segment's last byte of data.
local function note_position(message, stop)
    if not message.start then return end
    local seen = distance(message.start, stop)
    if seen < SEQUENCE_SPACE / 2 and seen > message.seen then message.seen = seen end
end

-- A stream is cut short if it ends before the message does. If the message's bytes were sent but are not in the capture
-- (a segment that comes later, or never came here), it is not.
local function cut_short(direction, how)
    local message = waiting[direction]
    if not message or message.seen >= message.needed then return nil end
    waiting[direction] = nil
    local has = message.start and tostring(message.seen) .. " bytes" or "part"
    return string.format("the stream %s inside a message: %s of at least %d; it began in frame %d", how, has,
        message.needed, message.frame)
end

local function note_segment(frame, pinfo)
    local tcp, size = find_tcp(frame, pinfo)
    if not tcp then return end
    local from, to = ends_of(pinfo)
    local sequence, flags = frame(tcp + 4, 4):uint(), frame(tcp + 13, 1):uint()
    if has_flag(flags, SYN) and not has_flag(flags, ACK) then note_opening(from, to, pinfo.number, sequence) end
    local sent = direction_between(from, to, pinfo.number)
    local answered = direction_between(to, from, pinfo.number)
    if has_flag(flags, SYN) then position[sent] = position[sent] or (sequence + 1) % SEQUENCE_SPACE end
    local header = math.floor(frame(tcp + 12, 1):uint() / 16) * 4
    if waiting[sent] then note_position(waiting[sent], sequence + size - header) end
    local problems = {}
    if has_flag(flags, FIN) then problems[#problems + 1] = cut_short(sent, "ended") end
    if has_flag(flags, RST) then
        for _, direction in ipairs({ sent, answered }) do
            problems[#problems + 1] = cut_short(direction, "was reset")
        end
    end
    if #problems > 0 then ended[pinfo.number] = problems end
end

function ending.dissector(tvb, pinfo, root)
    if not pinfo.visited then note_segment(tvb, pinfo) end
    for _, problem in ipairs(ended[pinfo.number] or {}) do
        local tree = root:add(jsonmsg, tvb(0, 0))
        tree:append_text(", malformed: " .. problem)
        tree:add(fields.summary, tvb(0, 0), "malformed: " .. problem):set_generated()
        mark_malformed(tree, tvb(0, 0), problem)
        pinfo.cols.info:append(" | malformed: " .. problem)
    end
end

-- A new default, for all of TCP: a preferences file or -o still has the last word. (Not in Wireshark before 3.6.)
if set_preference then set_preference("tcp.reassemble_out_of_order", true) end

register_postdissector(ending)
DissectorTable.get("tcp.port"):add(PORT, jsonmsg)
DissectorTable.get("tls.port"):add(TLS_PORT, jsonmsg_tls)
