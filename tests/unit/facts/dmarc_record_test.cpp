#include "facts/dmarc_record.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::facts {

TEST_CASE("a DMARC record begins with v=DMARC1, in that case") {
  for (const char* good :
       {"v=DMARC1", "v=DMARC1; p=none", "v = DMARC1 ;p=none", "V=DMARC1; p=none", "v=DMARC1;"})
    CHECK(parse_dmarc_record(good));
  for (const char* bad : {"", "v=DMARC2; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1",
                          "v=DMARC1 p=none", "v=spf1 -all", "v", "DMARC1"})
    CHECK_FALSE(parse_dmarc_record(bad));
}

TEST_CASE("a DMARC record is read with its defaults") {
  const auto record = parse_dmarc_record("v=DMARC1; p=reject");
  REQUIRE(record);
  CHECK(record->policy == DmarcPolicy::Reject);
  CHECK_FALSE(record->of_subdomains);
  CHECK_FALSE(record->of_nonexistent);
  CHECK_FALSE(record->strict_dkim);
  CHECK_FALSE(record->strict_spf);
  CHECK_FALSE(record->is_test);
  CHECK(record->psd == PublicSuffixFlag::Unknown);
}

TEST_CASE("a DMARC record is read with all its tags, in any order and case, once each") {
  const auto record = parse_dmarc_record(
      "v=DMARC1;psd=n; t=Y; ASPF=s ;adkim= s; np=reject;sp=Quarantine; p=none; p=reject; pct=0; "
      "unknown=1; x");
  REQUIRE(record);
  CHECK(record->policy == DmarcPolicy::None);
  CHECK(record->of_subdomains == DmarcPolicy::Quarantine);
  CHECK(record->of_nonexistent == DmarcPolicy::Reject);
  CHECK(record->strict_dkim);
  CHECK(record->strict_spf);
  CHECK(record->is_test);
  CHECK(record->psd == PublicSuffixFlag::No);
}

TEST_CASE(
    "a DMARC record without a valid policy is none with an address for reports, else nothing") {
  for (const char* tags : {"p=bogus", "p=", "sp=none", "p=reject; sp=bogus", "p=reject; np=", ""}) {
    const std::string broken = std::string("v=DMARC1; ") + tags;
    CAPTURE(broken);
    CHECK_FALSE(parse_dmarc_record(broken)->policy);
    CHECK_FALSE(parse_dmarc_record(broken + "; rua=")->policy);
    CHECK_FALSE(parse_dmarc_record(broken + "; rua=nobody, :x, mailto:")->policy);
    const auto with_reports = parse_dmarc_record(broken + "; rua=bad, mailto:d@far.example");
    CHECK(with_reports->policy == DmarcPolicy::None);
    CHECK_FALSE(with_reports->of_subdomains);
  }
  CHECK(parse_dmarc_record("v=DMARC1; p=reject; adkim=bogus; t=maybe; psd=x")->policy ==
        DmarcPolicy::Reject);
}

}  // namespace sluice::facts
