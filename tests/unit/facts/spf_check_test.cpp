#include "facts/spf_check.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "backends/given_dns.h"

using namespace sluice;
using namespace sluice::facts;
using backends::DnsAnswer;
using backends::DnsStatus;
using backends::DnsType;

namespace {

// Given answers; those of the questions asked in one round are there in the next.
class Zone final : public SpfAnswers {
 public:
  explicit Zone(std::initializer_list<std::pair<const char*, std::vector<std::string>>> records,
                bool in_rounds = false)
      : in_rounds_(in_rounds) {
    for (const auto& [key, values] : records) {
      const auto added = dns_.add(key, values);
      if (!added) FAIL(added.error().what);
    }
  }
  void add(const std::string& key, std::vector<std::string> values) {
    REQUIRE(dns_.add(key, std::move(values)));
  }

  const DnsAnswer* ask(std::string_view name, DnsType type) override {
    const auto [at, is_new] = answers_.try_emplace({std::string(name), type});
    if (is_new) {
      dns_.query(at->first.first, type, TimePoint{}, [&](const DnsAnswer& a) { at->second = a; });
      fresh_.insert(at->first);
    }
    return in_rounds_ && fresh_.count(at->first) != 0 ? nullptr : &at->second;
  }
  void next_round() { fresh_.clear(); }
  std::size_t questions() const { return answers_.size(); }

 private:
  using Question = std::pair<std::string, DnsType>;
  backends::GivenDns dns_;
  bool in_rounds_;
  std::map<Question, DnsAnswer> answers_;
  std::set<Question> fresh_;
};

SpfRequest from(const std::string& domain, const std::string& client = "192.0.2.1") {
  SpfRequest request;
  request.client = *IpAddress::parse(client);
  request.local_part = "ann";
  request.domain = domain;
  request.helo = "mail." + domain;
  request.explain = true;
  return request;
}

SpfVerdict verdict(Zone& zone, const SpfRequest& request) {
  const auto found = check_spf(request, zone);
  REQUIRE(found);
  return *found;
}
SpfResult result(Zone& zone, const std::string& domain, const std::string& client = "192.0.2.1") {
  return verdict(zone, from(domain, client)).result;
}

}  // namespace

TEST_CASE("spf: every mechanism matches what it should") {
  Zone zone({{"a.example TXT", {"v=spf1 a -all"}},
             {"a.example A", {"192.0.2.1"}},
             {"a.example AAAA", {"2001:db8::1"}},
             {"mx.example TXT", {"other", "v=spf1 mx/24//48 ~all"}},
             {"mx.example MX", {"0 .", "10 in.mx.example"}},
             {"in.mx.example A", {"192.0.2.200"}},
             {"in.mx.example AAAA", {"2001:db8:0:1::"}},
             {"ptr.example TXT", {"v=spf1 ptr -all"}},
             {"192.0.2.1 PTR", {"liar.example", "host.Ptr.example"}},
             {"host.ptr.example A", {"192.0.2.1"}},
             {"ex.example TXT", {"v=spf1 exists:%{ir}.list.example ?all"}},
             {"1.2.0.192.list.example A", {"127.0.0.2"}},
             {"inc.example TXT", {"v=spf1 include:a.example include:ip.example -all"}},
             {"ip.example TXT", {"v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:5::/48 -all"}},
             {"red.example TXT", {"v=spf1 ip4:203.0.113.1 redirect=a.example"}}});
  CHECK(result(zone, "a.example") == SpfResult::Pass);
  CHECK(result(zone, "a.example", "2001:db8::1") == SpfResult::Pass);
  CHECK(result(zone, "a.example", "192.0.2.2") == SpfResult::Fail);
  CHECK(result(zone, "mx.example") == SpfResult::Pass);
  CHECK(result(zone, "mx.example", "2001:db8:0:2::9") == SpfResult::Pass);
  CHECK(result(zone, "mx.example", "192.0.3.1") == SpfResult::SoftFail);
  CHECK(result(zone, "ptr.example") == SpfResult::Pass);
  CHECK(result(zone, "ptr.example", "192.0.2.7") == SpfResult::Fail);
  CHECK(result(zone, "ex.example") == SpfResult::Pass);
  CHECK(result(zone, "ex.example", "192.0.2.3") == SpfResult::Neutral);
  CHECK(result(zone, "inc.example") == SpfResult::Pass);
  CHECK(result(zone, "inc.example", "::ffff:198.51.100.9") == SpfResult::Pass);
  CHECK(result(zone, "inc.example", "2001:db8:5::9") == SpfResult::Pass);
  CHECK(result(zone, "red.example", "203.0.113.1") == SpfResult::Pass);
  CHECK(result(zone, "red.example", "203.0.113.2") == SpfResult::Fail);
  CHECK(result(zone, "nothing.example") == SpfResult::None);
  CHECK(result(zone, "list.example") == SpfResult::None);
}

TEST_CASE("spf: an IPv4 client is never in an ip6 network and the other way round") {
  Zone zone({{"x.example TXT", {"v=spf1 ip6:::/0 -all"}},
             {"y.example TXT", {"v=spf1 ip4:0.0.0.0/0 -all"}}});
  CHECK(result(zone, "x.example", "192.0.2.1") == SpfResult::Fail);
  CHECK(result(zone, "x.example", "2001:db8::1") == SpfResult::Pass);
  CHECK(result(zone, "y.example", "2001:db8::1") == SpfResult::Fail);
}

TEST_CASE("spf: names that cannot be have no record, targets that cannot be do not match") {
  Zone zone({{"x.example TXT", {"v=spf1 a:%{l}.example -all"}},
             {"i.example TXT", {"v=spf1 include:%{l}.example -all"}}});
  CHECK(result(zone, "localhost") == SpfResult::None);
  CHECK(result(zone, "a..example") == SpfResult::None);
  CHECK(result(zone, std::string(64, 'a') + ".example") == SpfResult::None);
  SpfRequest request = from("x.example");
  request.local_part = "a..b";
  CHECK(verdict(zone, request).result == SpfResult::Fail);
  request.domain = "i.example";
  CHECK(verdict(zone, request).result == SpfResult::PermError);
}

TEST_CASE("spf: the DNS failing is a temperror with its reason, never another result") {
  Zone zone({{"t.example TXT", {"timeout"}},
             {"s.example TXT", {"v=spf1 a:dead.example -all"}},
             {"dead.example A", {"servfail"}},
             {"i.example TXT", {"v=spf1 include:t.example +all"}},
             {"m.example TXT", {"v=spf1 mx -all"}},
             {"m.example MX", {"5 dead.example"}},
             {"r.example TXT", {"v=spf1 redirect=t.example"}},
             {"ok.example TXT", {"v=spf1 ip4:192.0.2.1 include:t.example -all"}}});
  const SpfVerdict timeout = verdict(zone, from("t.example"));
  CHECK(timeout.result == SpfResult::TempError);
  CHECK(timeout.failure == DnsStatus::Timeout);
  CHECK(timeout.problem == "no answer to t.example TXT");
  CHECK(verdict(zone, from("s.example")).failure == DnsStatus::ServFail);
  CHECK(result(zone, "i.example") == SpfResult::TempError);
  CHECK(result(zone, "m.example") == SpfResult::TempError);
  CHECK(result(zone, "r.example") == SpfResult::TempError);
  CHECK(result(zone, "ok.example") == SpfResult::Pass);
}

TEST_CASE("spf: errors of PTR and of its names only cost those names") {
  Zone zone({{"p.example TXT", {"v=spf1 ptr -all"}},
             {"192.0.2.1 PTR", {"dead.p.example", "good.p.example"}},
             {"dead.p.example A", {"timeout"}},
             {"good.p.example A", {"192.0.2.1"}},
             {"192.0.2.2 PTR", {"servfail"}}});
  CHECK(result(zone, "p.example") == SpfResult::Pass);
  CHECK(result(zone, "p.example", "192.0.2.2") == SpfResult::Fail);
}

TEST_CASE("spf: broken and contradictory records are permerrors that say why") {
  Zone zone({{"two.example TXT", {"v=spf1 -all", "v=spf1 +all"}},
             {"bad.example TXT", {"v=spf1 ip4:192.0.2.1 nonsense"}},
             {"i.example TXT", {"v=spf1 include:none.example -all"}},
             {"r.example TXT", {"v=spf1 redirect=none.example"}},
             {"none.example TXT", {"hello"}}});
  CHECK(verdict(zone, from("two.example")).problem == "two.example has more than one SPF record");
  CHECK(verdict(zone, from("bad.example")).problem ==
        "SPF record of bad.example: unknown mechanism 'nonsense'");
  CHECK(verdict(zone, from("i.example")).problem == "include:none.example has no SPF record");
  CHECK(verdict(zone, from("r.example")).result == SpfResult::PermError);
}

TEST_CASE(
    "spf: ten terms that look something up pass, the eleventh is a permerror, wherever it stands") {
  Zone zone({{"ten.example TXT", {"v=spf1 include:five.example include:three.example -all"}},
             {"eleven.example TXT",
              {"v=spf1 include:five.example include:three.example a:a.example -all"}},
             {"five.example TXT",
              {"v=spf1 a:a.example a:a.example a:a.example a:a.example a:a.example -all"}},
             {"three.example TXT", {"v=spf1 a:a.example a:a.example a:a.example -all"}},
             {"a.example A", {"203.0.113.1"}}});
  CHECK(result(zone, "ten.example") == SpfResult::Fail);
  CHECK(result(zone, "eleven.example") == SpfResult::PermError);
  CHECK(verdict(zone, from("eleven.example")).problem == "more than 10 terms with DNS look-ups");
  CHECK(result(zone, "eleven.example", "203.0.113.1") == SpfResult::Pass);
}

TEST_CASE(
    "spf: two terms may look up in vain, not three; one term in vain many times counts once") {
  Zone zone({{"two.example TXT", {"v=spf1 a:n1.example a:n2.example -all"}},
             {"three.example TXT", {"v=spf1 a:n1.example exists:n2.example mx:n3.example -all"}},
             {"mx.example TXT", {"v=spf1 mx -all"}},
             {"mx.example MX", {"1 n1.example", "2 n2.example", "3 n3.example", "4 n4.example"}}});
  CHECK(result(zone, "two.example") == SpfResult::Fail);
  CHECK(result(zone, "three.example") == SpfResult::PermError);
  CHECK(result(zone, "mx.example", "2001:db8::1") == SpfResult::Fail);
}

TEST_CASE("spf: at most ten MX hosts and ten PTR names") {
  std::vector<std::string> hosts, names;
  for (int i = 0; i < 11; ++i) {
    hosts.push_back(std::to_string(i) + " h" + std::to_string(i) + ".example");
    names.push_back("h" + std::to_string(i) + ".example");
  }
  Zone zone({{"mx.example TXT", {"v=spf1 mx -all"}},
             {"mx.example MX", hosts},
             {"p.example TXT", {"v=spf1 ptr:h10.example -all"}},
             {"192.0.2.1 PTR", names}});
  for (int i = 0; i < 11; ++i) zone.add("h" + std::to_string(i) + ".example A", {"192.0.2.1"});
  CHECK(result(zone, "mx.example") == SpfResult::PermError);
  CHECK(result(zone, "p.example") == SpfResult::Fail);
}

TEST_CASE("spf: five levels of nine includes cost ten look-ups and not 7,381") {
  Zone zone({});
  for (int level = 0; level < 5; ++level) {
    for (int i = 0; i < 9; ++i) {
      std::string record = "v=spf1";
      for (int next = 0; next < 9; ++next) {
        record += level < 4 ? " include:l" + std::to_string(level + 1) + "n" +
                                  std::to_string(next) + ".example"
                            : " a:x" + std::to_string(next) + ".example";
      }
      zone.add("l" + std::to_string(level) + "n" + std::to_string(i) + ".example TXT",
               {record + " -all"});
    }
  }
  for (int i = 0; i < 9; ++i) zone.add("x" + std::to_string(i) + ".example A", {"203.0.113.9"});
  CHECK(result(zone, "l0n0.example") == SpfResult::PermError);
  CHECK(zone.questions() <= 10 + 1);
}

TEST_CASE("spf: a record that includes itself ends") {
  Zone zone({{"x.example TXT", {"v=spf1 include:x.example -all"}},
             {"r.example TXT", {"v=spf1 redirect=r.example"}}});
  CHECK(result(zone, "x.example") == SpfResult::PermError);
  CHECK(result(zone, "r.example") == SpfResult::PermError);
}

TEST_CASE(
    "spf: the explanation is the failing record's, not an included one's, and redirect brings its "
    "own") {
  Zone zone({{"x.example TXT", {"v=spf1 include:i.example exp=why.x.example -all"}},
             {"i.example TXT", {"v=spf1 -all exp=why.i.example"}},
             {"r.example TXT", {"v=spf1 exp=why.x.example redirect=i.example"}},
             {"why.x.example TXT", {"%{s} of %{d}: see x"}},
             {"why.i.example TXT", {"%{o} of %{d}: see i"}},
             {"two.example TXT", {"v=spf1 -all exp=both.example"}},
             {"both.example TXT", {"one", "two"}},
             {"bad.example TXT", {"v=spf1 -all exp=macro.example"}},
             {"macro.example TXT", {"%{z}"}},
             {"slow.example TXT", {"v=spf1 -all exp=t.example"}},
             {"t.example TXT", {"timeout"}}});
  CHECK(verdict(zone, from("x.example")).explanation == "ann@x.example of x.example: see x");
  CHECK(verdict(zone, from("r.example")).explanation == "r.example of i.example: see i");
  for (const char* domain : {"two.example", "bad.example", "slow.example"}) {
    CHECK(verdict(zone, from(domain)).result == SpfResult::Fail);
    CHECK(verdict(zone, from(domain)).explanation.empty());
  }
}

TEST_CASE("spf: answers that come in rounds give the same verdict as answers that are there") {
  const auto records = {
      std::pair<const char*, std::vector<std::string>>{
          "x.example TXT",
          {"v=spf1 mx include:i.example exists:%{p}.l.example -all exp=why.example"}},
      {"x.example MX", {"1 m1.example", "2 m2.example"}},
      {"m1.example A", {"203.0.113.1"}},
      {"m2.example A", {"203.0.113.2"}},
      {"i.example TXT", {"v=spf1 ptr -all"}},
      {"192.0.2.1 PTR", {"n1.example", "n2.example"}},
      {"n1.example A", {"192.0.2.1"}},
      {"why.example TXT", {"%{p}"}}};
  Zone at_once(records), in_rounds(records, true);
  const SpfVerdict expected = verdict(at_once, from("x.example"));
  std::optional<SpfVerdict> got;
  int rounds = 0;
  while (!(got = check_spf(from("x.example"), in_rounds))) {
    in_rounds.next_round();
    REQUIRE(++rounds < 20);
  }
  CHECK(got->result == expected.result);
  CHECK(got->result == SpfResult::Fail);
  CHECK(got->explanation == "n1.example");
  CHECK(expected.explanation == "n1.example");
  // TXT; MX; both hosts; include; PTR; both names; exists; exp.
  CHECK(rounds == 8);
}
