#include "backends/dns_message.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::backends;

namespace {

std::string b(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out += static_cast<char>(byte);
  return out;
}

// Header of a reply with one question and these counts.
std::string header(int flags, int answers, int authorities = 0, int additionals = 0) {
  return b({0, 7, flags >> 8, flags & 0xff, 0, 1, 0, answers, 0, authorities, 0, additionals});
}
const std::string kQuestion = b({1, 'a', 1, 'x', 0});  // a.x, at offset 12
std::string question(DnsType type) { return kQuestion + b({0, static_cast<int>(type), 0, 1}); }
std::string record(const std::string& owner, int type, int ttl, const std::string& rdata) {
  return owner + b({0, type, 0, 1, 0, 0, ttl >> 8, ttl & 0xff}) +
         b({static_cast<int>(rdata.size() >> 8), static_cast<int>(rdata.size() & 0xff)}) + rdata;
}
const std::string kOwner = b({0xc0, 12});
const std::string kAddress = b({192, 0, 2, 1});
constexpr int kOk = 0x8180, kNx = 0x8183;

DnsReply parse(const std::string& bytes, DnsType type = DnsType::A) {
  return parse_reply(bytes, "a.x", type);
}
DnsStatus status(const std::string& bytes, DnsType type = DnsType::A) {
  return parse(bytes, type).answer.status;
}
// An SOA with these last five numbers' minimum.
std::string soa(int ttl, int minimum) {
  return record(kOwner, 6, ttl,
                b({0, 0}) + std::string(16, '\0') + b({0, 0, minimum >> 8, minimum & 0xff}));
}

}  // namespace

TEST_CASE("dns message: a query asks with RD, AD and EDNS of 1232 bytes") {
  CHECK(render_query(0x1234, "a.x", DnsType::Mx, true) ==
        b({0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1}) + question(DnsType::Mx) +
            b({0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0}));
  CHECK(render_query(1, "", DnsType::Ns, false) ==
        b({0, 1, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1}));
}

TEST_CASE("dns message: reads records of every type") {
  const DnsReply a =
      parse(header(kOk | 0x20, 2) + question(DnsType::A) + record(kOwner, 1, 300, kAddress) +
            record(b({1, 'A', 1, 'X', 0}), 1, 200, b({192, 0, 2, 2})));
  REQUIRE(a.answer.status == DnsStatus::Ok);
  REQUIRE(a.answer.records.size() == 2);
  CHECK(a.answer.records[1].address == IpAddress::parse("192.0.2.2"));
  CHECK(a.ttl == 200);
  CHECK(a.answer.authenticated);

  const DnsReply aaaa =
      parse(header(kOk, 1) + question(DnsType::Aaaa) +
                record(kOwner, 28, 1, b({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})),
            DnsType::Aaaa);
  CHECK(aaaa.answer.records.at(0).address == IpAddress::parse("2001:db8::1"));
  CHECK_FALSE(aaaa.answer.authenticated);

  const DnsReply mx = parse(header(kOk, 2) + question(DnsType::Mx) +
                                record(kOwner, 15, 1, b({1, 2, 1, 'M', 0xc0, 14})) +
                                record(kOwner, 15, 1, b({0, 0, 0})),
                            DnsType::Mx);
  REQUIRE(mx.answer.records.size() == 2);
  CHECK(mx.answer.records[0].preference == 258);
  CHECK(mx.answer.records[0].text == "m.x");
  CHECK(mx.answer.records[1].text.empty());

  const DnsReply txt = parse(
      header(kOk, 1) + question(DnsType::Txt) + record(kOwner, 16, 1, b({2, 'H', 'i', 0, 1, '!'})),
      DnsType::Txt);
  CHECK(txt.answer.records.at(0).text == "Hi!");
  const DnsReply cname =
      parse(header(kOk, 1) + question(DnsType::Cname) + record(kOwner, 5, 1, b({1, 'c', 0})),
            DnsType::Cname);
  CHECK(cname.answer.records.at(0).text == "c");
}

TEST_CASE("dns message: aliases lead to the records in whatever order they stand") {
  const std::string address = record(b({1, 'c', 0}), 1, 90, kAddress);
  const std::string second = record(b({1, 'b', 0}), 5, 50, b({1, 'c', 0}));
  const std::string first = record(kOwner, 5, 70, b({1, 'B', 0}));
  const DnsReply reply = parse(header(kOk, 3) + question(DnsType::A) + address + second + first);
  REQUIRE(reply.answer.status == DnsStatus::Ok);
  CHECK(reply.answer.records.at(0).address == IpAddress::parse("192.0.2.1"));
  CHECK(reply.ttl == 50);
  CHECK(status(header(kOk, 1) + question(DnsType::A) + first) == DnsStatus::NoData);
  CHECK(status(header(kNx, 1) + question(DnsType::A) + first) == DnsStatus::NxDomain);
}

TEST_CASE("dns message: loops of aliases and chains of more than eight are no answer") {
  CHECK(status(header(kOk, 1) + question(DnsType::A) + record(kOwner, 5, 1, kOwner)) ==
        DnsStatus::ServFail);
  const auto chain = [](int length) {
    std::string records;
    for (int i = 0; i < length; ++i) {
      records += record(i == 0 ? kOwner : b({1, '0' + i, 0}), 5, 1, b({1, '0' + i + 1, 0}));
    }
    records += record(b({1, '0' + length, 0}), 1, 1, kAddress);
    return header(kOk, length + 1) + question(DnsType::A) + records;
  };
  CHECK(status(chain(8)) == DnsStatus::Ok);
  CHECK(status(chain(9)) == DnsStatus::ServFail);
}

TEST_CASE("dns message: records of other names are not the answer") {
  CHECK(status(header(kOk, 1) + question(DnsType::A) + record(b({1, 'z', 0}), 1, 60, kAddress)) ==
        DnsStatus::NoData);
}

TEST_CASE(
    "dns message: a no is kept as long as the SOA says, at most 15 minutes, not at all without") {
  CHECK(parse(header(kNx, 0, 1) + question(DnsType::A) + soa(300, 200)).ttl == 200);
  CHECK(parse(header(kOk, 0, 1) + question(DnsType::A) + soa(100, 200)).ttl == 100);
  CHECK(parse(header(kOk, 0, 1) + question(DnsType::A) + soa(9000, 9000)).ttl == 900);
  CHECK(parse(header(kNx, 0) + question(DnsType::A)).ttl == 0);
  CHECK(parse(header(kNx, 0) + question(DnsType::A)).answer.status == DnsStatus::NxDomain);
}

TEST_CASE(
    "dns message: response codes other than 0 and 3 are failures, FORMERR and BADVERS ask for a "
    "query without EDNS") {
  for (const int rcode : {1, 2, 4, 5, 9}) {
    INFO(rcode);
    CHECK(status(header(0x8180 | rcode, 0) + question(DnsType::A)) == DnsStatus::ServFail);
    CHECK(parse(header(0x8180 | rcode, 0) + question(DnsType::A)).edns_refused == (rcode == 1));
  }
  const std::string bad_version =
      header(kOk, 0, 0, 1) + question(DnsType::A) + b({0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0});
  CHECK(status(bad_version) == DnsStatus::ServFail);
  CHECK(parse(bad_version).edns_refused);
  CHECK(parse(b({0, 7, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0})).edns_refused);
}

TEST_CASE("dns message: labels with odd bytes never look like other names") {
  const DnsReply mx =
      parse(header(kOk, 1) + question(DnsType::Mx) +
                record(kOwner, 15, 1, b({0, 1, 5, 'a', '.', 0, '\\', 0xff, 1, 'x', 0})),
            DnsType::Mx);
  CHECK(mx.answer.records.at(0).text == "a\\046\\000\\092\\255.x");
}

TEST_CASE("dns message: every broken rule makes the whole reply a failure") {
  const std::string start = header(kOk, 1);
  const std::vector<std::pair<const char*, std::string>> broken = {
      {"empty", ""},
      {"a header cut short", header(kOk, 1).substr(0, 11)},
      {"a query", header(0x0180, 0) + question(DnsType::A)},
      {"another opcode", header(0xa180, 0) + question(DnsType::A)},
      {"still truncated",
       header(0x8380, 1) + question(DnsType::A) + record(kOwner, 1, 1, kAddress)},
      {"another name asked", header(kOk, 0) + b({1, 'b', 1, 'x', 0, 0, 1, 0, 1})},
      {"another type asked", header(kOk, 0) + question(DnsType::Txt)},
      {"fewer records than counted", start + question(DnsType::A)},
      {"an address of three bytes",
       start + question(DnsType::A) + record(kOwner, 1, 1, b({1, 2, 3}))},
      {"an address of five bytes",
       start + question(DnsType::A) + record(kOwner, 1, 1, b({1, 2, 3, 4, 5}))},
      {"rdata beyond the end",
       start + question(DnsType::A) + record(kOwner, 1, 1, kAddress).substr(0, 13)},
      {"a pointer to itself", start + question(DnsType::A) + record(b({0xc0, 21}), 1, 1, kAddress)},
      {"a pointer forwards", start + question(DnsType::A) + record(b({0xc0, 40}), 1, 1, kAddress)},
      {"a reserved label type",
       start + question(DnsType::A) + record(b({0x80, 0}), 1, 1, kAddress)},
      {"an alias with bytes behind its name",
       start + question(DnsType::A) + record(kOwner, 5, 1, b({1, 'b', 0, 0}))},
      {"an SOA cut short",
       header(kNx, 0, 1) + question(DnsType::A) + record(kOwner, 6, 1, b({0, 0, 1}))},
      {"counts without records", header(kOk, 0, 0, 9) + question(DnsType::A)}};
  for (const auto& [what, bytes] : broken) {
    INFO(what);
    CHECK(status(bytes) == DnsStatus::ServFail);
    CHECK(parse(bytes).answer.records.empty());
    CHECK(parse(bytes).ttl == 0);
  }
  CHECK(status(start + question(DnsType::Txt) + record(kOwner, 16, 1, b({5, 'x'})), DnsType::Txt) ==
        DnsStatus::ServFail);
  CHECK(status(start + question(DnsType::Mx) + record(kOwner, 15, 1, b({0, 1})), DnsType::Mx) ==
        DnsStatus::ServFail);
}

TEST_CASE("dns message: names longer than 255 bytes are refused however they are compressed") {
  // Four labels of 63 bytes at the front of a TXT-less reply, then a pointer to them from one label
  // more.
  std::string long_name;
  for (int i = 0; i < 3; ++i) long_name += b({63}) + std::string(63, 'l');
  const std::string fits = long_name + b({61}) + std::string(61, 'l') + b({0});
  const std::string too_long = long_name + b({62}) + std::string(62, 'l') + b({0});
  CHECK(status(header(kOk, 1) + question(DnsType::Ptr) + record(kOwner, 12, 1, fits),
               DnsType::Ptr) == DnsStatus::Ok);
  CHECK(status(header(kOk, 1) + question(DnsType::Ptr) + record(kOwner, 12, 1, too_long),
               DnsType::Ptr) == DnsStatus::ServFail);
  const std::size_t at = 12 + question(DnsType::Ptr).size() + 12;  // where the first rdata begins
  const std::string one_more = b({9}) + std::string(9, 'm') + b({0xc0, static_cast<int>(at)});
  CHECK(status(header(kOk, 2) + question(DnsType::Ptr) + record(kOwner, 12, 1, fits) +
                   record(kOwner, 12, 1, one_more),
               DnsType::Ptr) == DnsStatus::ServFail);
}

TEST_CASE("dns message: more records than the cap are left out") {
  std::string records;
  for (int i = 0; i < 250; ++i) records += record(kOwner, 1, 60, b({192, 0, 2, i}));
  const DnsReply reply = parse(header(kOk, 250) + question(DnsType::A) + records);
  CHECK(reply.answer.status == DnsStatus::Ok);
  CHECK(reply.answer.records.size() == kMaxDnsRecords);
}
