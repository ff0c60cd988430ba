#include "backends/dns_message.h"

#include <algorithm>
#include <vector>

#include "backends/dns_name.h"

namespace sluice::backends {

namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kClassIn = 1, kTypeSoa = 6, kTypeOpt = 41;
constexpr std::uint16_t kFlagResponse = 0x8000, kFlagTruncated = 0x0200,
                        kFlagRecursionDesired = 0x0100, kFlagAuthenticated = 0x0020,
                        kOpcodeMask = 0x7800, kRcodeMask = 0x000f;
constexpr unsigned kNoError = 0, kFormErr = 1, kNxDomain = 3, kBadVers = 16;
constexpr std::size_t kMaxAliasRecords = 32;  // CNAME records looked at in one reply
constexpr std::size_t kMaxLabels = 128;

void put16(std::string& out, std::uint16_t v) {
  out += static_cast<char>(v >> 8);
  out += static_cast<char>(v & 0xff);
}

// --- reading; every function says false when the bytes end too early or make no sense ---

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool u8(std::uint8_t& v) {
    if (at_ >= bytes_.size()) return false;
    v = static_cast<std::uint8_t>(bytes_[at_++]);
    return true;
  }
  bool u16(std::uint16_t& v) {
    std::uint8_t high = 0, low = 0;
    if (!u8(high) || !u8(low)) return false;
    v = static_cast<std::uint16_t>(high << 8 | low);
    return true;
  }
  bool u32(std::uint32_t& v) {
    std::uint16_t high = 0, low = 0;
    if (!u16(high) || !u16(low)) return false;
    v = static_cast<std::uint32_t>(high) << 16 | low;
    return true;
  }
  bool take(std::size_t n, std::string_view& out) {
    if (bytes_.size() - at_ < n) return false;
    out = bytes_.substr(at_, n);
    at_ += n;
    return true;
  }
  bool skip(std::size_t n) {
    std::string_view ignored;
    return take(n, ignored);
  }
  // A name, lower case; bytes that no question could hold are shown as \DDD, so that a label never
  // adds a dot.
  bool name(std::string& out);

  std::size_t at() const { return at_; }
  void seek(std::size_t at) { at_ = at; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

void append_label(std::string& out, std::string_view label) {
  if (!out.empty()) out += '.';
  for (const char c : label) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (c > ' ' && c < '\x7f' && c != '.' && c != '\\') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '\\';
      out += static_cast<char>('0' + byte / 100);
      out += static_cast<char>('0' + byte / 10 % 10);
      out += static_cast<char>('0' + byte % 10);
    }
  }
}

bool Reader::name(std::string& out) {
  out.clear();
  std::size_t position = at_, end = 0, wire_bytes = 1;
  bool jumped = false;
  for (std::size_t labels = 0; labels <= kMaxLabels;) {
    if (position >= bytes_.size()) return false;
    const auto length = static_cast<std::uint8_t>(bytes_[position]);
    if ((length & 0xc0) == 0xc0) {
      if (position + 1 >= bytes_.size()) return false;
      const std::size_t target = static_cast<std::size_t>(length & 0x3f) << 8 |
                                 static_cast<std::uint8_t>(bytes_[position + 1]);
      if (!jumped) end = position + 2;
      jumped = true;
      if (target >= position) return false;  // only backwards: no loops
      position = target;
      continue;
    }
    if ((length & 0xc0) != 0) return false;
    if (length == 0) {
      at_ = jumped ? end : position + 1;
      return true;
    }
    wire_bytes += length + 1U;
    if (position + 1 + length > bytes_.size() || wire_bytes > 255) return false;
    append_label(out, bytes_.substr(position + 1, length));
    position += length + 1U;
    ++labels;
  }
  return false;
}

struct Header {
  std::uint16_t flags = 0, questions = 0, answers = 0, authorities = 0, additionals = 0;
};

bool read_header(Reader& in, Header& h) {
  std::uint16_t id = 0;
  return in.u16(id) && in.u16(h.flags) && in.u16(h.questions) && in.u16(h.answers) &&
         in.u16(h.authorities) && in.u16(h.additionals);
}

struct ResourceRecord {
  std::string owner;
  std::uint16_t type = 0, record_class = 0;
  std::uint32_t ttl = 0;
  std::size_t rdata = 0, rdata_bytes = 0;  // where in the message
};

bool read_record(Reader& in, ResourceRecord& r) {
  std::uint16_t length = 0;
  if (!in.name(r.owner) || !in.u16(r.type) || !in.u16(r.record_class) || !in.u32(r.ttl) ||
      !in.u16(length))
    return false;
  if (r.type != kTypeOpt && (r.ttl & 0x80000000U) != 0) r.ttl = 0;  // RFC 2181 8
  r.rdata = in.at();
  r.rdata_bytes = length;
  return in.skip(length);
}

// --- rdata of each type; in stands at its first byte, bytes is its length ---

bool read_address(Reader& in, std::size_t bytes, std::size_t expected, DnsRecord& out) {
  std::string_view raw;
  if (bytes != expected || !in.take(bytes, raw)) return false;
  IpAddress::Bytes full{};
  if (expected == 4) full[10] = full[11] = 0xff;
  std::transform(raw.begin(), raw.end(), full.end() - static_cast<std::ptrdiff_t>(expected),
                 [](char c) { return static_cast<std::uint8_t>(c); });
  out.address = IpAddress::from_bytes(full);
  return true;
}
bool read_a(Reader& in, std::size_t bytes, DnsRecord& out) {
  return read_address(in, bytes, 4, out);
}
bool read_aaaa(Reader& in, std::size_t bytes, DnsRecord& out) {
  return read_address(in, bytes, 16, out);
}
bool read_name(Reader& in, std::size_t bytes, DnsRecord& out) {
  const std::size_t end = in.at() + bytes;
  return in.name(out.text) && in.at() == end;
}
bool read_mx(Reader& in, std::size_t bytes, DnsRecord& out) {
  return bytes > 2 && in.u16(out.preference) && read_name(in, bytes - 2, out);
}
bool read_txt(Reader& in, std::size_t bytes, DnsRecord& out) {
  const std::size_t end = in.at() + bytes;
  while (in.at() < end) {
    std::uint8_t length = 0;
    std::string_view text;
    if (!in.u8(length) || in.at() + length > end || !in.take(length, text)) return false;
    out.text += text;
  }
  return true;
}

struct RdataForm {
  DnsType type;
  bool (*read)(Reader&, std::size_t, DnsRecord&);
};
constexpr RdataForm kRdataForms[] = {{DnsType::A, read_a},     {DnsType::Aaaa, read_aaaa},
                                     {DnsType::Mx, read_mx},   {DnsType::Ptr, read_name},
                                     {DnsType::Ns, read_name}, {DnsType::Cname, read_name},
                                     {DnsType::Txt, read_txt}};

bool read_rdata(Reader in, const ResourceRecord& r, DnsType type, DnsRecord& out) {
  const auto* const form = std::find_if(std::begin(kRdataForms), std::end(kRdataForms),
                                        [&](const RdataForm& f) { return f.type == type; });
  in.seek(r.rdata);
  return form->read(in, r.rdata_bytes, out);
}

// --- the sections ---

struct Alias {
  std::string owner, target;
  std::uint32_t ttl = 0;
};

bool is_in(const ResourceRecord& r, std::uint16_t type) {
  return r.record_class == kClassIn && r.type == type;
}

bool read_aliases(Reader in, std::size_t count, std::vector<Alias>& out) {
  ResourceRecord r;
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_record(in, r)) return false;
    if (!is_in(r, static_cast<std::uint16_t>(DnsType::Cname)) || out.size() == kMaxAliasRecords)
      continue;
    DnsRecord target;
    if (!read_rdata(in, r, DnsType::Cname, target)) return false;
    out.push_back({r.owner, std::move(target.text), r.ttl});
  }
  return true;
}

// Where the aliases lead; false for a loop or a chain that is too long.
bool follow(const std::vector<Alias>& aliases, std::string& name, std::uint32_t& ttl) {
  for (int depth = 0;; ++depth) {
    const auto next = std::find_if(aliases.begin(), aliases.end(),
                                   [&](const Alias& a) { return a.owner == name; });
    if (next == aliases.end()) return true;
    if (depth == kMaxAliases) return false;
    ttl = std::min(ttl, next->ttl);
    name = next->target;
  }
}

bool read_answers(Reader& in, std::size_t count, const std::string& owner, DnsType type,
                  DnsReply& reply) {
  ResourceRecord r;
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_record(in, r)) return false;
    if (!is_in(r, static_cast<std::uint16_t>(type)) || r.owner != owner) continue;
    DnsRecord record;
    if (!read_rdata(in, r, type, record)) return false;
    reply.ttl = std::min(reply.ttl, r.ttl);
    if (reply.answer.records.size() < kMaxDnsRecords)
      reply.answer.records.push_back(std::move(record));
  }
  return true;
}

// RFC 2308 5: how long a "no" may be kept; 0 without SOA.
bool read_negative_ttl(Reader& in, std::size_t count, std::uint32_t& ttl) {
  ResourceRecord r;
  ttl = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_record(in, r)) return false;
    if (!is_in(r, kTypeSoa)) continue;
    Reader soa = in;
    soa.seek(r.rdata);
    std::string ignored;
    std::uint32_t minimum = 0;
    if (!soa.name(ignored) || !soa.name(ignored) || !soa.skip(16) || !soa.u32(minimum))
      return false;
    if (soa.at() != r.rdata + r.rdata_bytes) return false;
    ttl = std::min(r.ttl, minimum);
  }
  return true;
}

// RFC 6891 6.1.3: the upper bits of the response code.
bool read_extended_rcode(Reader& in, std::size_t count, unsigned& rcode) {
  ResourceRecord r;
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_record(in, r)) return false;
    if (r.type == kTypeOpt) rcode |= (r.ttl >> 24) << 4;
  }
  return true;
}

bool read_question(Reader& in, std::string_view name, DnsType type) {
  std::string asked;
  std::uint16_t asked_type = 0, asked_class = 0;
  return in.name(asked) && in.u16(asked_type) && in.u16(asked_class) && asked == name &&
         asked_type == static_cast<std::uint16_t>(type) && asked_class == kClassIn;
}

bool read_sections(Reader& in, const Header& header, std::string owner, DnsType type,
                   DnsReply& reply) {
  std::vector<Alias> aliases;
  reply.ttl = kMaxPositiveTtl;
  if (type != DnsType::Cname) {
    if (!read_aliases(in, header.answers, aliases)) return false;
    if (!follow(aliases, owner, reply.ttl)) return false;
  }
  std::uint32_t negative_ttl = 0;
  unsigned rcode = header.flags & kRcodeMask;
  if (!read_answers(in, header.answers, owner, type, reply) ||
      !read_negative_ttl(in, header.authorities, negative_ttl) ||
      !read_extended_rcode(in, header.additionals, rcode)) {
    return false;
  }
  reply.edns_refused = rcode == kFormErr || rcode == kBadVers;
  if (rcode != kNoError && rcode != kNxDomain) return false;
  if (rcode == kNxDomain) reply.answer.records.clear();
  reply.answer.authenticated = (header.flags & kFlagAuthenticated) != 0;
  if (reply.answer.records.empty()) {
    reply.ttl = std::min({reply.ttl, negative_ttl, kMaxNegativeTtl});
    reply.answer.status = rcode == kNxDomain ? DnsStatus::NxDomain : DnsStatus::NoData;
  } else {
    reply.answer.status = DnsStatus::Ok;
  }
  return true;
}

}  // namespace

std::string render_query(std::uint16_t id, std::string_view name, DnsType type, bool edns) {
  std::string out;
  out.reserve(kHeaderBytes + name.size() + 17);
  put16(out, id);
  put16(out, kFlagRecursionDesired | kFlagAuthenticated);
  put16(out, 1);
  out.append(4, '\0');
  put16(out, edns ? 1 : 0);
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  out += '\0';
  put16(out, static_cast<std::uint16_t>(type));
  put16(out, kClassIn);
  if (edns) {
    out += '\0';
    put16(out, kTypeOpt);
    put16(out, kEdnsUdpBytes);
    out.append(6, '\0');  // extended code, version, flags, no options
  }
  return out;
}

DnsReply parse_reply(std::string_view bytes, std::string_view name, DnsType type) {
  Reader in(bytes);
  Header header;
  DnsReply reply;
  const bool is_reply = bytes.size() <= kMaxReplyBytes && read_header(in, header) &&
                        (header.flags & kFlagResponse) != 0 &&
                        (header.flags & (kOpcodeMask | kFlagTruncated)) == 0;
  // Servers that know no EDNS may answer FORMERR with the header alone.
  if (is_reply && header.questions == 0 && (header.flags & kRcodeMask) == kFormErr)
    reply.edns_refused = true;
  if (is_reply && header.questions == 1 && read_question(in, name, type) &&
      read_sections(in, header, std::string(name), type, reply)) {
    return reply;
  }
  return DnsReply{.answer = {.status = DnsStatus::ServFail, .records = {}},
                  .ttl = 0,
                  .edns_refused = reply.edns_refused};
}

}  // namespace sluice::backends
