// dnsbl.names with a list that does not answer: the hits in texts, unknown in conditions that
// depend on it.
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

// 203.0.113.9 is on zen, cop does not answer, red knows nothing.
std::string asked(const std::string& condition, const char* zen = "127.0.0.2") {
  Filter filter(R"(
dnsbl:
  zen: {zone: zen.example, of: client.ip}
  cop: {zone: cop.example, of: client.ip}
  red: {zone: red.example, of: client.ip}
rules:
  - rule: r
    stage: connect
    reply_at: stage
    when: ')" + condition +
                R"('
    on_unknown: defer 451 4.4.3
    then: disconnect 421 4.7.0
    text: "{dnsbl.names}"
)");
  REQUIRE(filter.dns.add("9.113.0.203.zen.example A", {zen}));
  REQUIRE(filter.dns.add("9.113.0.203.cop.example A", {"servfail"}));
  REQUIRE(filter.dns.add("9.113.0.203.red.example A", {"nxdomain"}));
  Client client(filter);
  const std::string at_connect = client.connect();
  if (at_connect == "421 4.7.0 r")
    return "true " + client.last.verdict.reply.text();
  client.helo();
  client.mail();
  const std::string answer = client.rcpt("<bob@example.com>");
  return answer.starts_with("451 4.4.3") ? "unknown" : "false";
}

}  // namespace

TEST_CASE("dnsbl.names: a hit that is known decides what it can decide") {
  CHECK(asked(R"("zen" in dnsbl.names)") == "true zen");
  CHECK(asked(R"(any(dnsbl.names, item == "zen"))") == "true zen");
}

TEST_CASE("dnsbl.names: what depends on the list that does not answer is unknown") {
  CHECK(asked(R"("cop" in dnsbl.names)") == "unknown");
  CHECK(asked(R"(not ("cop" in dnsbl.names))") == "unknown");
  CHECK(asked("len(dnsbl.names) >= 1") == "unknown");
  CHECK(asked("len(dnsbl.names) == 1") == "unknown");
  CHECK(asked(R"(count(dnsbl.names, item != "red") == 1)") == "unknown");
  CHECK(asked("dnsbl.names is unknown") == "true zen");
  CHECK(asked("dnsbl.names is known") == "false");
}

TEST_CASE("dnsbl.names: without a hit it is unknown as a whole, and so is the text of the list") {
  CHECK(asked("len(dnsbl.names) == 0", "nxdomain") == "unknown");
  CHECK(asked(R"("zen" in dnsbl.names)", "nxdomain") == "unknown");
  CHECK(asked("dnsbl.text is none", "nxdomain") == "unknown");
  CHECK(asked("dnsbl.names is unknown", "nxdomain") == "true ?");
}
