#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using backends::DnsType;
using policy::Value;

namespace {
FactFixture to(const char* path) {
  FactFixture f;
  f.envelope_.emplace();
  f.recipient_ = mail::Recipient{path, {"NOTIFY=NEVER"}, false, ""};
  return f;
}
}  // namespace

TEST_CASE("rcpt: parts, also of what is no address") {
  CHECK(to("<Bob@EXAMPLE.com>").ask("rcpt.address") == Value("Bob@example.com"));
  CHECK(to("<.x@example.com>").ask("rcpt.localpart") == Value(".x"));
  CHECK(to("<.x@example.com>").ask("rcpt.domain") == Value("example.com"));
  CHECK(to("<.x@example.com>").ask("rcpt.valid") == Value(false));
  CHECK(to("<postmaster>").ask("rcpt.localpart") == Value("postmaster"));
  CHECK(to("<postmaster>").ask("rcpt.valid") == Value(true));
  CHECK(to("<postmaster>").ask("rcpt.resolves") == Value(true));
}

TEST_CASE("rcpt.exists: what the MTA refused does not exist") {
  auto f = to("<nobody@example.com>");
  CHECK(f.ask("rcpt.exists") == Value(true));
  f.recipient_->refused_by_mta = true;
  CHECK(f.ask("rcpt.exists") == Value(false));
}

TEST_CASE("rcpt: counts as they are given") {
  auto f = to("<a@example.com>");
  f.counts_ = {3, 7, 4};
  CHECK(f.ask("rcpt.count") == Value(3));
  CHECK(f.ask("rcpt.tried") == Value(7));
  CHECK(f.ask("rcpt.failed") == Value(4));
}

TEST_CASE("rcpt.mx_group: registrable domain of the best MX") {
  auto f = to("<a@tenant.example>");
  CHECK(f.ask("rcpt.mx_group") == Value());
  f.give("tenant.example", DnsType::Mx,
         {FactFixture::name("alt1.aspmx.l.google.com", 20),
          FactFixture::name("aspmx.l.google.com", 10)});
  CHECK(f.ask("rcpt.mx_group") == Value("google.com"));
}

TEST_CASE("rcpt.deliverable: each recipient's own server is asked; without a domain nobody is") {
  FactFixture f;
  f.envelope_ = mail::Envelope{};
  f.recipient_ = mail::Recipient{};
  f.recipient_->path = "<\"bob smith\"@example.com>";
  CHECK_FALSE(f.ask("rcpt.deliverable").has_value());
  f.callouts_["\"bob smith\"@example.com"] = backends::CalloutStatus::Accepted;
  CHECK(f.ask("rcpt.deliverable") == Value("accepted"));
  f.recipient_->path = "<postmaster>";
  CHECK(f.ask("rcpt.deliverable")->is_unknown());
  f.recipient_->path = "<bob@[192.0.2.1]>";
  f.callouts_["bob@[192.0.2.1]"] = backends::CalloutStatus::Dropped;
  CHECK(f.ask("rcpt.deliverable") == Value("dropped"));
}

}  // namespace sluice::facts
