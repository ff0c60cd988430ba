// rooms: facts
// Our DKIM verifier against libopendkim: what it signs passes here, what was changed passes in both
// or in neither.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#define _Bool bool
#include <dkim.h>
#undef _Bool

#include "../unit/facts/dkim_signer.h"
#include "../unit/facts/given_answers.h"
#include "facts/message_signatures.h"

namespace {

using namespace sluice;
using namespace sluice::facts;
using testing::SigningKey;

const unsigned char* octets(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.c_str());
}

// libopendkim with the keys in a file instead of the DNS.
class Library {
 public:
  Library() : lib_(dkim_init(nullptr, nullptr)) {}
  ~Library() {
    dkim_close(lib_);
    std::filesystem::remove(file_);
  }
  void publish(const std::string& name, const std::string& record) {
    std::ofstream(file_, std::ios::app) << name << " " << record << "\n";
    dkim_query_t method = DKIM_QUERY_FILE;
    dkim_options(lib_, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof method);
    std::string path = file_.string();
    dkim_options(lib_, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, path.data(), path.size());
  }
  // The signature field of the message.
  mail::Header sign(const mail::Message& message, const SigningKey& key,
                    const std::string& selector, bool relaxed_header, bool relaxed_body) {
    DKIM_STAT status = DKIM_STAT_OK;
    const std::string pem = key.private_pem();
    const std::string domain = "far.example";
    DKIM* dkim = dkim_sign(
        lib_, octets("id"), nullptr, const_cast<unsigned char*>(octets(pem)), octets(selector),
        octets(domain), relaxed_header ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
        relaxed_body ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
        key.is_rsa() ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1, &status);
    REQUIRE(dkim != nullptr);
    REQUIRE(feed(dkim, message) == DKIM_STAT_OK);
    unsigned char* text = nullptr;
    std::size_t size = 0;
    REQUIRE(dkim_getsighdr_d(dkim, 16, &text, &size) == DKIM_STAT_OK);
    std::string value = " ";
    for (std::size_t i = 0; i < size; ++i)
      if (text[i] != '\r') value.push_back(static_cast<char>(text[i]));
    dkim_free(dkim);
    return {"DKIM-Signature", value};
  }
  bool verifies(const mail::Message& message) {
    DKIM_STAT status = DKIM_STAT_OK;
    DKIM* dkim = dkim_verify(lib_, octets("id"), nullptr, &status);
    REQUIRE(dkim != nullptr);
    const bool good = feed(dkim, message) == DKIM_STAT_OK;
    dkim_free(dkim);
    return good;
  }

 private:
  static DKIM_STAT feed(DKIM* dkim, const mail::Message& message) {
    for (const mail::Header& field : message.headers) {
      std::string line = testing::plain_field(field, false);
      const DKIM_STAT status =
          dkim_header(dkim, reinterpret_cast<unsigned char*>(line.data()), line.size());
      if (status != DKIM_STAT_OK) return status;
    }
    if (const DKIM_STAT status = dkim_eoh(dkim); status != DKIM_STAT_OK) return status;
    std::string body = message.body;
    if (!body.empty()) dkim_body(dkim, reinterpret_cast<unsigned char*>(body.data()), body.size());
    bool tested = false;
    return dkim_eom(dkim, &tested);
  }

  DKIM_LIB* lib_;
  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("sluice-dkim-keys-" + std::to_string(::getpid()));
};

std::string random_text(std::mt19937& random, std::size_t most) {
  static constexpr std::string_view kLetters = "ab  \t.-;=:";
  std::string text(random() % most, ' ');
  for (char& c : text) c = kLetters[random() % kLetters.size()];
  return text;
}

mail::Message random_message(std::mt19937& random) {
  mail::Message message;
  for (const char* name : {"From", "To", "Subject", "Date", "Message-ID", "Cc"}) {
    std::string value = " " + random_text(random, 30) + "x@far.example";
    for (auto folds = random() % 3; folds > 0; --folds)
      value += "\n" + std::string(random() % 2 == 0 ? " " : "\t") + random_text(random, 20) + "y" +
               random_text(random, 4);
    message.headers.push_back({name, value});
  }
  for (auto lines = random() % 12; lines > 0; --lines)
    message.body += (random() % 3 == 0 ? "" : random_text(random, 60)) + "\r\n";
  message.headers_total = message.headers.size();
  return message;
}

struct Both {
  Library opendkim;
  testing::GivenAnswers answers;
  SigningKey rsa = SigningKey::rsa(1024), ed25519 = SigningKey::ed25519();
  Both() {
    for (const auto& [selector, key] : {std::pair{"rsa", &rsa}, std::pair{"ed", &ed25519}}) {
      const std::string name = std::string(selector) + "._domainkey.far.example";
      opendkim.publish(name, key->record());
      answers.txt(name, {key->record()});
    }
  }
  SignatureOutcome ours(const mail::Message& message, std::size_t piece) {
    MessageSignatures signatures(message);
    for (std::size_t at = 0; at < message.body.size(); at += piece)
      signatures.body(std::string_view(message.body).substr(at, piece));
    signatures.end();
    const auto outcomes = signatures.dkim(answers, TimePoint(std::chrono::seconds{1'790'000'000}));
    REQUIRE(outcomes);
    REQUIRE(outcomes->size() == 1);
    return outcomes->front();
  }
};

}  // namespace

TEST_CASE("what libopendkim signs passes here, in all forms, cut anywhere") {
  Both both;
  std::mt19937 random(20'261'125);
  for (int round = 0; round < 400; ++round) {
    const bool relaxed_header = round % 4 < 2, relaxed_body = round % 8 < 4;
    // What libopendkim signs with Ed25519 in the simple form it does not verify itself.
    const bool with_ed25519 = round % 2 == 1 && relaxed_header;
    mail::Message message = random_message(random);
    testing::put_on_top(
        message, both.opendkim.sign(message, with_ed25519 ? both.ed25519 : both.rsa,
                                   with_ed25519 ? "ed" : "rsa", relaxed_header, relaxed_body));
    const SignatureOutcome outcome = both.ours(message, 1 + random() % 50);
    CAPTURE(round, outcome.problem, message.headers[0].value, message.body);
    CHECK(outcome.result == SignatureResult::Pass);
  }
}

TEST_CASE("what was changed after libopendkim signed it passes in both or in neither") {
  Both both;
  std::mt19937 random(7);
  int passed = 0, failed = 0;
  for (int round = 0; round < 600; ++round) {
    mail::Message message = random_message(random);
    testing::put_on_top(message,
                        both.opendkim.sign(message, both.rsa, "rsa", round % 2 == 0, round % 4 < 2));
    static constexpr std::string_view kOther = "abX \t";
    const char other = kOther[random() % kOther.size()];
    // Of the fields that were signed, behind the first word: names and syntax of the signature
    // itself are for other tests.
    std::string& bytes = random() % 2 == 0 && !message.body.empty()
                             ? message.body
                             : message.headers[1 + random() % 6].value;
    const std::size_t at = random() % bytes.size();
    if (bytes[at] == '\r' || bytes[at] == '\n') continue;
    bytes[at] = other;
    const bool theirs = both.opendkim.verifies(message);
    const SignatureOutcome outcome = both.ours(message, 7);
    CAPTURE(round, at, outcome.problem, message.headers[0].value, message.body);
    CHECK((outcome.result == SignatureResult::Pass) == theirs);
    ++(theirs ? passed : failed);
  }
  CHECK(passed > 30);
  CHECK(failed > 200);
}
