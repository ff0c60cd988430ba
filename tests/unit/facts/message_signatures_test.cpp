#include "facts/message_signatures.h"

#include <catch2/catch.hpp>

#include "dkim_signer.h"
#include "given_answers.h"

namespace sluice::facts {

namespace {

using testing::GivenAnswers;
using testing::SigningKey;
using testing::SigningOptions;

constexpr const char* kKeyName = "s1._domainkey.far.example";
const TimePoint kNow = TimePoint(std::chrono::seconds{1'790'000'000});

// Of RSA, made once: making one takes a while.
const SigningKey& rsa_key() {
  static const SigningKey key = SigningKey::rsa(1024);
  return key;
}
const SigningKey& ed25519_key() {
  static const SigningKey key = SigningKey::ed25519();
  return key;
}

GivenAnswers keys() {
  GivenAnswers answers;
  answers.txt(kKeyName, {rsa_key().record()});
  answers.txt("ed._domainkey.far.example", {ed25519_key().record()});
  return answers;
}

std::vector<SignatureOutcome> verify(const mail::Message& message, GivenAnswers& answers,
                                     std::size_t piece = 100'000, TimePoint now = kNow) {
  MessageSignatures signatures(message);
  for (std::size_t at = 0; at < message.body.size(); at += piece)
    signatures.body(std::string_view(message.body).substr(at, piece));
  signatures.end();
  return signatures.dkim(answers, now).value();
}

SignatureResult result(const mail::Message& message, GivenAnswers answers = keys(),
                       TimePoint now = kNow) {
  const auto outcomes = verify(message, answers, 100'000, now);
  REQUIRE(outcomes.size() == 1);
  CAPTURE(outcomes[0].problem);
  return outcomes[0].result;
}

mail::Message signed_message(const SigningOptions& options = {},
                             const SigningKey& key = rsa_key()) {
  mail::Message message = testing::sample_message();
  testing::put_on_top(message, testing::sign(message, key, options));
  return message;
}

SigningOptions with_more(std::string more) {
  SigningOptions options;
  options.more = std::move(more);
  return options;
}

// The bytes that a signature with these forms stands for: header fields in their order, then body.
std::string covered(const mail::Message& message, const SigningOptions& options) {
  const bool relaxed_header = options.forms.rfind("relaxed", 0) == 0;
  const bool relaxed_body = options.forms.rfind("/relaxed") != std::string::npos;
  std::string text;
  for (const mail::Header& field : message.headers)
    text += testing::plain_field(field, relaxed_header) + "\r\n";
  return text + testing::plain_body(message.body, relaxed_body);
}

}  // namespace

TEST_CASE("signatures: each pair of forms and each algorithm passes, however the body is cut") {
  for (const char* forms :
       {"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", "relaxed"})
    for (const SigningKey* key : {&rsa_key(), &ed25519_key()}) {
      CAPTURE(forms, key->algorithm());
      SigningOptions options;
      options.forms = forms;
      options.selector = key->is_rsa() ? "s1" : "ed";
      const mail::Message message = signed_message(options, *key);
      for (const std::size_t piece : {1, 5, 65'535}) {
        GivenAnswers answers = keys();
        const auto outcomes = verify(message, answers, piece);
        REQUIRE(outcomes.size() == 1);
        CHECK(outcomes[0].problem == "");
        CHECK(outcomes[0].result == SignatureResult::Pass);
        CHECK(outcomes[0].domain == "far.example");
        CHECK(outcomes[0].algorithm == key->algorithm());
      }
    }
}

TEST_CASE("signatures: no single byte that is covered can be changed") {
  for (const char* forms : {"simple/simple", "relaxed/relaxed"}) {
    SigningOptions options;
    options.forms = forms;
    options.selector = "ed";
    options.fields = {"Received", "From", "To", "Subject", "Date", "Message-ID"};
    const mail::Message message = signed_message(options, ed25519_key());
    const std::string before = covered(message, options);
    std::size_t changed = 0;
    const auto check = [&](mail::Message& damaged, std::string& bytes, std::size_t at, char to) {
      const char from = std::exchange(bytes[at], to);
      // What the form itself says means nothing is no change: another blank, another case of a
      // name.
      if (covered(damaged, options) != before) {
        ++changed;
        GivenAnswers answers = keys();
        for (const auto& outcome : verify(damaged, answers)) {
          CAPTURE(forms, at, from, to, outcome.problem);
          REQUIRE(outcome.result != SignatureResult::Pass);
        }
      }
      bytes[at] = from;
    };
    mail::Message damaged = message;
    for (mail::Header& field : damaged.headers)
      for (std::string* bytes : {&field.name, &field.value})
        for (std::size_t at = 0; at < bytes->size(); ++at)
          for (const int bit : {1, 2, 4, 0x40})
            check(damaged, *bytes, at, static_cast<char>((*bytes)[at] ^ bit));
    for (std::size_t at = 0; at < damaged.body.size(); ++at) {
      // The plain form of the test knows CR LF only.
      if (damaged.body[at] == '\r' || damaged.body[at] == '\n') continue;
      for (const int bit : {1, 4, 0x40})
        check(damaged, damaged.body, at, static_cast<char>(damaged.body[at] ^ bit));
    }
    CHECK(changed > 2'000);
  }
}

TEST_CASE("signatures: no byte of a line end can be changed, taken out or put in") {
  SigningOptions options;
  options.forms = "simple/simple";
  const mail::Message message = signed_message(options);
  for (std::size_t at = 0; at < message.body.size(); ++at) {
    mail::Message damaged = message;
    damaged.body.insert(at, "x");
    CHECK(result(damaged) == SignatureResult::Fail);
    damaged = message;
    if (at + 4 >= message.body.size()) continue;  // the empty lines at the end count for nothing
    const char removed = damaged.body[at];
    damaged.body.erase(at, 1);
    if (removed != '\r') CHECK(result(damaged) == SignatureResult::Fail);
  }
}

TEST_CASE("signatures: fields are taken from the bottom, one for each name in h=") {
  SigningOptions options;
  options.fields = {"From", "Subject", "Subject"};  // the second one is signed as absent
  mail::Message message = signed_message(options);
  CHECK(result(message) == SignatureResult::Pass);
  message.headers.push_back({"Subject", " another"});
  CHECK(result(message) == SignatureResult::Fail);

  options.fields = {"From", "To"};
  message = signed_message(options);
  testing::put_on_top(message, {"To", " eve@far.example"});  // above those that are signed
  CHECK(result(message) == SignatureResult::Pass);
  std::swap(message.headers[0], message.headers.back());
  CHECK(result(message) == SignatureResult::Fail);

  mail::Message twice = testing::sample_message();
  twice.headers.push_back({"From", " second@far.example"});
  options.fields = {"From", "From"};
  testing::put_on_top(twice, testing::sign(twice, rsa_key(), options));
  CHECK(result(twice) == SignatureResult::Pass);
}

TEST_CASE("signatures: one that covers another one, and never itself") {
  mail::Message message = signed_message();
  SigningOptions options;
  options.fields = {"From", "DKIM-Signature", "DKIM-Signature"};
  testing::put_on_top(message, testing::sign(message, rsa_key(), options));
  GivenAnswers answers = keys();
  for (const auto& outcome : verify(message, answers))
    CHECK(outcome.result == SignatureResult::Pass);
}

TEST_CASE("signatures: l= covers the start of the body") {
  SigningOptions options;
  options.body_length = "10";
  mail::Message message = signed_message(options);
  CHECK(result(message) == SignatureResult::Pass);
  message.body += "more\r\n";
  CHECK(result(message) == SignatureResult::Pass);
  message.body[3] = 'X';
  CHECK(result(message) == SignatureResult::Fail);
  message.body = "Hello";
  CHECK(result(message) == SignatureResult::Fail);

  options.body_length = "0";
  message = signed_message(options);
  message.body = "anything";
  CHECK(result(message) == SignatureResult::Pass);
}

TEST_CASE("signatures: rsa-sha1, short keys and expired ones are not accepted") {
  SigningOptions options;
  options.algorithm = "rsa-sha1";
  CHECK(result(signed_message(options)) == SignatureResult::Policy);

  const SigningKey short_key = SigningKey::rsa(512);
  GivenAnswers answers;
  answers.txt(kKeyName, {short_key.record()});
  CHECK(result(signed_message({}, short_key), answers) == SignatureResult::Policy);

  const mail::Message message = signed_message(with_more(" t=1; x=1790000000;"));
  CHECK(result(message) == SignatureResult::Pass);
  CHECK(result(message, keys(), kNow + std::chrono::seconds{1}) == SignatureResult::Policy);
}

TEST_CASE("signatures: the key must be there and be meant for this") {
  const mail::Message message = signed_message();
  const auto with_record = [&](const std::string& record) {
    GivenAnswers answers;
    answers.txt(kKeyName, {record});
    return result(message, answers);
  };
  const std::string p = " p=" + rsa_key().published();
  CHECK(with_record("v=DKIM1;" + p) == SignatureResult::Pass);
  CHECK(with_record("v=DKIM1; p=" + rsa_key().published(true)) == SignatureResult::Pass);
  CHECK(with_record("h=sha1;" + p) == SignatureResult::PermError);
  CHECK(with_record("s=tlsrpt;" + p) == SignatureResult::PermError);
  CHECK(with_record("k=ed25519;" + p) == SignatureResult::PermError);
  CHECK(with_record("p=") == SignatureResult::PermError);
  CHECK(with_record("v=spf1 -all") == SignatureResult::PermError);
  CHECK(result(message, GivenAnswers()) == SignatureResult::PermError);
  static const SigningKey other = SigningKey::rsa(1024);
  CHECK(with_record(other.record()) == SignatureResult::Fail);
  CHECK(with_record(other.record() + "; t=y") == SignatureResult::Neutral);
  CHECK(with_record("t=y;" + p) == SignatureResult::Pass);

  GivenAnswers several;
  several.txt(kKeyName, {"v=spf1 -all", other.record(), rsa_key().record()});
  CHECK(result(message, several) == SignatureResult::Pass);
}

TEST_CASE("signatures: t=s takes no subdomain in i=") {
  const mail::Message below = signed_message(with_more(" i=@mail.far.example;"));
  const mail::Message same = signed_message(with_more(" i=ann@far.example;"));
  CHECK(result(below) == SignatureResult::Pass);
  GivenAnswers strict;
  strict.txt(kKeyName, {"t=s; p=" + rsa_key().published()});
  CHECK(result(below, strict) == SignatureResult::PermError);
  CHECK(result(same, strict) == SignatureResult::Pass);
}

TEST_CASE("signatures: a DNS failure is one, unless the body was changed anyway") {
  mail::Message message = signed_message();
  GivenAnswers answers;
  answers.fail(kKeyName, backends::DnsStatus::ServFail);
  CHECK(result(message, answers) == SignatureResult::TempError);
  message.body[0] = 'X';
  CHECK(result(message, answers) == SignatureResult::Fail);
}

TEST_CASE("signatures: pending until the key is there; keys are asked for before the body comes") {
  const mail::Message message = signed_message();
  GivenAnswers answers = keys();
  MessageSignatures signatures(message);
  signatures.ask_keys(answers);
  CHECK(answers.asked == std::vector<std::string>{std::string(kKeyName) + " TXT"});
  signatures.body(message.body);
  signatures.end();
  answers.pending.insert(kKeyName);
  CHECK_FALSE(signatures.dkim(answers, kNow));
  answers.pending.clear();
  CHECK(signatures.dkim(answers, kNow)->front().result == SignatureResult::Pass);
}

TEST_CASE("signatures: of many the first ten are looked at") {
  mail::Message message = signed_message();
  for (int i = 0; i < 100; ++i) testing::put_on_top(message, {"DKIM-Signature", " v=1; broken"});
  GivenAnswers answers = keys();
  const auto outcomes = verify(message, answers);
  CHECK(outcomes.size() == kMaxDkimSignatures);
  for (const auto& outcome : outcomes) CHECK(outcome.result == SignatureResult::Neutral);
}

TEST_CASE("signatures: nothing passes when header fields were left out") {
  mail::Message message = signed_message();
  ++message.headers_total;
  CHECK(result(message) == SignatureResult::PermError);
}

TEST_CASE("signatures: the body is not kept, and one far longer than any cap passes") {
  mail::Message message = testing::sample_message();
  message.body.clear();
  for (int i = 0; i < 200'000; ++i)
    message.body += "a line of a very long message, with blanks \r\n";
  testing::put_on_top(message, testing::sign(message, rsa_key()));
  const std::string body = std::exchange(message.body, {});
  MessageSignatures signatures(message);
  for (std::size_t at = 0; at < body.size(); at += 65'535)
    signatures.body(std::string_view(body).substr(at, 65'535));
  signatures.end();
  GivenAnswers answers = keys();
  CHECK(signatures.dkim(answers, kNow)->front().result == SignatureResult::Pass);
}

}  // namespace sluice::facts
