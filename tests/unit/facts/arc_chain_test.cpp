#include "facts/arc_chain.h"

#include <catch2/catch.hpp>

#include "dkim_signer.h"
#include "facts/message_signatures.h"
#include "given_answers.h"

namespace sluice::facts {

namespace {

using testing::GivenAnswers;
using testing::SigningKey;

const TimePoint kNow = TimePoint(std::chrono::seconds{1'790'000'000});

const SigningKey& key() {
  static const SigningKey made = SigningKey::ed25519();
  return made;
}

GivenAnswers keys() {
  GivenAnswers answers;
  for (const char* name : {"one", "two", "three"})
    answers.txt(std::string("s1._domainkey.") + name + ".example", {key().record()});
  return answers;
}

// Puts the set of the next instance on top, as a forwarder does (RFC 8617 5.1).
void seal(mail::Message& message, int instance, const std::string& domain, const std::string& cv) {
  const std::string i = " i=" + std::to_string(instance) + ";";
  testing::SigningOptions options;
  options.domain = domain;
  options.field_name = "ARC-Message-Signature";
  options.front = i;
  const mail::Header signature = testing::sign(message, key(), options);
  const mail::Header results{"ARC-Authentication-Results", i + " mx." + domain + ";\n\tspf=none"};
  mail::Header own{"ARC-Seal",
                   i + " a=ed25519-sha256; cv=" + cv + "; d=" + domain + "; s=s1;\n\tb="};
  std::string text;
  // The sets of the earlier instances, the oldest first: they stand in the message from bottom to
  // top.
  for (std::size_t at = message.headers.size(); at-- > 0;)
    if (message.headers[at].name == "ARC-Authentication-Results")
      for (const std::size_t part : {at, at - 1, at - 2})
        text += testing::plain_field(message.headers[part], true) + "\r\n";
  text += testing::plain_field(results, true) + "\r\n" + testing::plain_field(signature, true) +
          "\r\n" + testing::plain_field(own, true);
  own.value += testing::base64(key().sign(text));
  testing::put_on_top(message, results);
  testing::put_on_top(message, signature);
  testing::put_on_top(message, own);
}

mail::Message chain(int sets = 3) {
  mail::Message message = testing::sample_message();
  const char* const names[] = {"one.example", "two.example", "three.example"};
  for (int i = 0; i < sets; ++i) seal(message, i + 1, names[i], i == 0 ? "none" : "pass");
  return message;
}

std::optional<ArcOutcome> check(const mail::Message& message, GivenAnswers answers = keys()) {
  MessageSignatures signatures(message);
  signatures.body(message.body);
  signatures.end();
  return signatures.arc(answers, kNow);
}

ArcResult result(const mail::Message& message, GivenAnswers answers = keys()) {
  const auto outcome = check(message, std::move(answers));
  REQUIRE(outcome);
  CAPTURE(outcome->problem);
  return outcome->result;
}

}  // namespace

TEST_CASE("ARC: chains of one to three sets pass, the newest sealer is named") {
  CHECK(result(testing::sample_message()) == ArcResult::None);
  for (const int sets : {1, 2, 3}) {
    const auto outcome = check(chain(sets));
    REQUIRE(outcome);
    CHECK(outcome->problem == "");
    CHECK(outcome->result == ArcResult::Pass);
  }
  CHECK(check(chain(2))->sealer == "two.example");
}

TEST_CASE(
    "ARC: no byte of a field of the chain, and none that its newest signature covers, can be "
    "changed") {
  const mail::Message message = chain(2);
  for (std::size_t field = 0; field < message.headers.size(); ++field) {
    const std::string& name = message.headers[field].name;
    if (name == "Received") continue;  // not signed
    const std::string before = testing::plain_field(message.headers[field], true);
    for (std::size_t at = 0; at < message.headers[field].value.size(); ++at) {
      mail::Message damaged = message;
      damaged.headers[field].value[at] ^= 2;
      if (testing::plain_field(damaged.headers[field], true) == before) continue;
      CAPTURE(name, at);
      REQUIRE(result(damaged) == ArcResult::Fail);
    }
  }
  for (std::size_t at = 0; at + 6 < message.body.size(); ++at) {
    mail::Message damaged = message;
    damaged.body[at] = 'X';
    if (testing::plain_body(damaged.body, true) != testing::plain_body(message.body, true))
      CHECK(result(damaged) == ArcResult::Fail);
  }
}

TEST_CASE("ARC: sets that are incomplete, doubled, out of their order or beyond the cap fail") {
  const mail::Message message = chain(2);
  for (std::size_t field = 0; field < 6; ++field) {
    mail::Message less = message;
    less.headers.erase(less.headers.begin() + static_cast<std::ptrdiff_t>(field));
    less.headers_total = less.headers.size();
    CHECK(result(less) == ArcResult::Fail);
    mail::Message more = message;
    testing::put_on_top(more, message.headers[field]);
    CHECK(result(more) == ArcResult::Fail);
  }
  for (const char* instance : {"0", "51", "999", "-1", "x", ""}) {
    mail::Message odd = testing::sample_message();
    for (const char* name : {"ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"})
      testing::put_on_top(odd, {name, std::string(" i=") + instance + "; a=b"});
    CHECK(result(odd) == ArcResult::Fail);
  }
}

TEST_CASE("ARC: what a seal says of the chain before it must be right") {
  mail::Message first_says_pass = testing::sample_message();
  seal(first_says_pass, 1, "one.example", "pass");
  CHECK(result(first_says_pass) == ArcResult::Fail);
  for (const char* cv : {"none", "fail", ""}) {
    mail::Message message = chain(1);
    seal(message, 2, "two.example", cv);
    CHECK(result(message) == ArcResult::Fail);
  }
}

TEST_CASE("ARC: keys that are pending, missing or that nobody answers for") {
  GivenAnswers answers = keys();
  answers.pending.insert("s1._domainkey.one.example");
  CHECK_FALSE(check(chain(2), answers));
  answers = keys();
  answers.fail("s1._domainkey.one.example", backends::DnsStatus::Timeout);
  CHECK(result(chain(2), answers) == ArcResult::TempError);
  answers.txt("s1._domainkey.two.example", {"p="});
  CHECK(result(chain(2), answers) == ArcResult::Fail);
}

}  // namespace sluice::facts
