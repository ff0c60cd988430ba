#include "facts/dmarc_check.h"

#include <catch2/catch.hpp>

#include "given_answers.h"

namespace sluice::facts {

namespace {

using backends::DnsStatus;
using testing::GivenAnswers;
using Names = std::vector<std::string>;

struct Asked {
  std::string author = "far.example";
  Names spf{}, dkim{}, spf_undecided{}, dkim_undecided{};
  OrganizationalDomain by = OrganizationalDomain::TreeWalk;
};

DmarcRequest request_of(const Asked& asked) {
  return {asked.author,         asked.spf,           asked.dkim, asked.spf_undecided,
          asked.dkim_undecided, DnsStatus::ServFail, asked.by};
}

DmarcVerdict check(const Asked& asked, GivenAnswers answers) {
  const auto verdict = check_dmarc(request_of(asked), answers);
  REQUIRE(verdict);
  return *verdict;
}

GivenAnswers zone(std::initializer_list<std::pair<std::string, std::string>> records) {
  GivenAnswers answers;
  for (const auto& [domain, record] : records)
    answers.txt("_dmarc." + domain, {"v=DMARC1; " + record});
  return answers;
}

std::string policy(const DmarcVerdict& verdict) {
  return verdict.policy ? std::string(dmarc_policy_name(*verdict.policy)) : "-";
}

}  // namespace

TEST_CASE("DMARC: each policy with each alignment of SPF and DKIM") {
  struct Row {
    std::string modes;  // adkim and aspf
    Names spf, dkim;
    bool passes;
  };
  const Names none, same{"far.example"}, below{"mail.far.example"}, other{"other.example"},
      lookalike{"notfar.example"};
  const Row rows[] = {
      {"", none, none, false},
      {"", same, none, true},
      {"", none, same, true},
      {"", below, none, true},
      {"", none, below, true},
      {"", other, other, false},
      {"", lookalike, lookalike, false},
      {"", {"example"}, {"example"}, false},
      {"", other, below, true},
      {" aspf=s;", below, none, false},
      {" aspf=s;", same, none, true},
      {" aspf=s;", none, below, true},
      {" adkim=s;", none, below, false},
      {" adkim=s;", none, same, true},
      {" adkim=s;", below, none, true},
      {" adkim=s; aspf=s;", below, below, false},
      {" adkim=s; aspf=s;", below, {"other.example", "far.example"}, true},
      {" adkim=r; aspf=r;", none, {"other.example", "a.b.far.example"}, true},
  };
  for (const char* p : {"none", "quarantine", "reject"})
    for (const Row& row : rows)
      for (const OrganizationalDomain by :
           {OrganizationalDomain::TreeWalk, OrganizationalDomain::PublicSuffixList}) {
        CAPTURE(p, row.modes, row.spf, row.dkim);
        const auto verdict = check({.spf = row.spf, .dkim = row.dkim, .by = by},
                                   zone({{"far.example", row.modes + " p=" + p}}));
        CHECK(verdict.result == (row.passes ? DmarcResult::Pass : DmarcResult::Fail));
        CHECK(policy(verdict) == p);
      }
}

TEST_CASE("DMARC: the policy of a subdomain, of one that does not exist, and in test mode") {
  struct Row {
    std::string record, of_domain, of_subdomain, of_nonexistent;
  };
  const Row rows[] = {
      {"p=reject", "reject", "reject", "reject"},
      {"p=reject; sp=none", "reject", "none", "none"},
      {"p=none; sp=quarantine; np=reject", "none", "quarantine", "reject"},
      {"p=quarantine; np=reject", "quarantine", "quarantine", "reject"},
      {"p=reject; t=y", "quarantine", "quarantine", "quarantine"},
      {"p=quarantine; sp=reject; np=none; t=y", "none", "quarantine", "none"},
      {"p=none; t=y", "none", "none", "none"},
      {"p=bogus; sp=reject; rua=mailto:d@far.example", "none", "none", "none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.record);
    GivenAnswers answers = zone({{"far.example", row.record}});
    answers.exists("there.far.example");
    CHECK(policy(check({.author = "far.example"}, answers)) == row.of_domain);
    CHECK(policy(check({.author = "there.far.example"}, answers)) == row.of_subdomain);
    CHECK(policy(check({.author = "gone.far.example"}, answers)) == row.of_nonexistent);
  }
}

TEST_CASE("DMARC: without a record nothing is judged, with a broken one it is an error") {
  CHECK(check({.spf = {"far.example"}}, {}).result == DmarcResult::None);
  CHECK(policy(check({.spf = {"far.example"}}, {})) == "-");
  CHECK(check({}, zone({{"far.example", "p=bogus"}})).result == DmarcResult::PermError);
  GivenAnswers twice;
  twice.txt("_dmarc.far.example", {"v=DMARC1; p=reject", "v=DMARC1; p=none"});
  CHECK(check({}, twice).result == DmarcResult::None);
  GivenAnswers among_others;
  among_others.txt("_dmarc.far.example", {"v=spf1 -all", "v=DMARC1; p=reject", "hello"});
  CHECK(check({}, among_others).result == DmarcResult::Fail);
}

TEST_CASE("DMARC: a record between the author's domain and the organizational one does not count") {
  GivenAnswers answers = zone({{"b.far.example", "p=reject"}, {"far.example", "p=none"}});
  answers.exists("a.b.far.example");
  CHECK(policy(check({.author = "a.b.far.example"}, answers)) == "none");
  CHECK(policy(check({.author = "b.far.example"}, answers)) == "reject");
}

TEST_CASE("DMARC: the tree walk asks at most eight names (RFC 9989 4.10)") {
  CHECK(tree_walk_names("a.mail.example.com") ==
        Names{"a.mail.example.com", "mail.example.com", "example.com", "com"});
  CHECK(tree_walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com") ==
        Names{"a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com",
              "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com",
              "mail.example.com", "example.com", "com"});
  CHECK(tree_walk_names("com") == Names{"com"});
  std::string name = "com";
  for (int labels = 1; labels < 120; ++labels) {
    CHECK(tree_walk_names(name).size() ==
          std::min<std::size_t>(static_cast<std::size_t>(labels), kMaxTreeWalk));
    name = "a." + name;
  }
}

TEST_CASE("DMARC: psd= sets the organizational domain (RFC 9989 4.10.2)") {
  // psd=n: the names below are one organization of their own.
  const auto split = zone({{"dept.far.example", "p=reject; psd=n"}, {"far.example", "p=none"}});
  CHECK(check({.author = "a.dept.far.example", .dkim = {"b.dept.far.example"}}, split).result ==
        DmarcResult::Pass);
  CHECK(check({.author = "a.dept.far.example", .dkim = {"far.example"}}, split).result ==
        DmarcResult::Fail);
  CHECK(check({.author = "x.far.example", .dkim = {"dept.far.example"}}, split).result ==
        DmarcResult::Fail);

  // psd=y: the organization is one label below, and the suffix speaks for those without a record.
  GivenAnswers suffix = zone({{"bank", "p=reject; np=reject; sp=quarantine; psd=y"}});
  suffix.exists("mine.bank");
  CHECK(check({.author = "mine.bank", .dkim = {"mail.mine.bank"}}, suffix).result ==
        DmarcResult::Pass);
  CHECK(check({.author = "mine.bank", .dkim = {"yours.bank"}}, suffix).result == DmarcResult::Fail);
  CHECK(policy(check({.author = "mine.bank"}, suffix)) == "quarantine");
  CHECK(policy(check({.author = "gone.bank"}, suffix)) == "reject");
  suffix.txt("_dmarc.mine.bank", {"v=DMARC1; p=none"});
  CHECK(policy(check({.author = "mine.bank"}, suffix)) == "none");
  // A suffix that sends mail itself.
  CHECK(check({.author = "bank", .spf = {"bank"}}, suffix).result == DmarcResult::Pass);
  CHECK(policy(check({.author = "bank"}, suffix)) == "reject");
}

TEST_CASE(
    "DMARC: with the list of public suffixes the registered domain is the organizational one") {
  const Asked asked{.author = "a.b.example.co.uk",
                    .dkim = {"example.co.uk"},
                    .by = OrganizationalDomain::PublicSuffixList};
  CHECK(check(asked, zone({{"example.co.uk", "p=reject"}})).result == DmarcResult::Pass);
  CHECK(check(asked, zone({{"co.uk", "p=reject"}})).result == DmarcResult::None);
  Asked neighbour = asked;
  neighbour.dkim = {"other.co.uk"};
  CHECK(check(neighbour, zone({{"example.co.uk", "p=reject"}})).result == DmarcResult::Fail);
}

TEST_CASE("DMARC: a DNS failure is one only where it can change the result") {
  GivenAnswers answers = zone({{"far.example", "p=reject"}});
  CHECK(check({.spf_undecided = {"far.example"}}, answers).result == DmarcResult::TempError);
  CHECK(check({.spf_undecided = {"far.example"}}, answers).failure == DnsStatus::ServFail);
  CHECK(check({.spf_undecided = {"other.example"}}, answers).result == DmarcResult::Fail);
  CHECK(check({.dkim = {"far.example"}, .spf_undecided = {"far.example"}}, answers).result ==
        DmarcResult::Pass);
  CHECK(check({.dkim_undecided = {"mail.far.example"}}, answers).result == DmarcResult::TempError);

  answers.fail("_dmarc.example", DnsStatus::Timeout);
  CHECK(check({.dkim = {"far.example"}}, answers).result == DmarcResult::Pass);
  CHECK(check({.dkim = {"mail.far.example"}}, answers).result == DmarcResult::TempError);
  CHECK(check({}, answers).result == DmarcResult::Fail);
  CHECK(check({.author = "mail.far.example"}, answers).result == DmarcResult::TempError);

  GivenAnswers gone = zone({{"far.example", "p=none; np=reject"}});
  gone.answers["x.far.example A"] = {DnsStatus::ServFail, {}, false};
  const auto verdict = check({.author = "x.far.example"}, gone);
  CHECK(verdict.result == DmarcResult::Fail);
  CHECK(verdict.policy_failure == DnsStatus::ServFail);
}

TEST_CASE("DMARC: pending until the answers are there, all of one walk asked at once") {
  GivenAnswers answers = zone({{"far.example", "p=reject"}});
  answers.pending = {"_dmarc.a.far.example", "_dmarc.far.example", "_dmarc.example"};
  CHECK_FALSE(check_dmarc(request_of({.author = "a.far.example"}), answers));
  CHECK(answers.asked ==
        Names{"_dmarc.a.far.example TXT", "_dmarc.far.example TXT", "_dmarc.example TXT"});
  answers.pending.clear();
  CHECK(check_dmarc(request_of({.author = "a.far.example"}), answers)->result == DmarcResult::Fail);
}

TEST_CASE("DMARC: domains that cannot be aligned cost no look-up") {
  GivenAnswers answers = zone({{"far.example", "p=reject"}});
  check_dmarc(request_of({.dkim = {"a.b.c.d.other.example", "x.test"}}), answers);
  CHECK(answers.asked == Names{"_dmarc.far.example TXT", "_dmarc.example TXT"});
}

}  // namespace sluice::facts
