// rooms: facts
// Signed messages of others with their keys: below SLUICE_TEST_DATA. Absent: skipped.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "facts/base64.h"
#include "facts/message_signatures.h"

namespace {

using namespace sluice;
using namespace sluice::facts;

// Of the checkout, or of the build folder below it.
std::filesystem::path test_data() {
  if (const char* given = std::getenv("SLUICE_TEST_DATA")) return given;
  return std::filesystem::path(SLUICE_SOURCE_DIR) / ".." / "shared" / "data";
}

class Keys final : public DnsAnswers {
 public:
  explicit Keys(const nlohmann::json& zone) {
    for (const auto& [name, texts] : zone.items()) {
      backends::DnsAnswer& answer = answers_[name];
      answer.status = backends::DnsStatus::Ok;
      for (const auto& text : texts) answer.records.push_back({{}, text.get<std::string>(), 0});
    }
  }
  const backends::DnsAnswer* ask(std::string_view name, backends::DnsType) override {
    static const backends::DnsAnswer none{backends::DnsStatus::NxDomain, {}, false};
    const auto found = answers_.find(std::string(name));
    return found != answers_.end() ? &found->second : &none;
  }

 private:
  std::map<std::string, backends::DnsAnswer> answers_;
};

// Header fields as an MTA gives them to a milter: line ends inside as LF.
mail::Message split_message(const std::string& text) {
  mail::Message message;
  std::size_t at = 0;
  while (at < text.size() && text.compare(at, 2, "\r\n") != 0) {
    const std::size_t end = text.find("\r\n", at);
    const std::string line = text.substr(at, end - at);
    at = end + 2;
    if (line[0] == ' ' || line[0] == '\t') {
      message.headers.back().value += "\n" + line;
      continue;
    }
    const std::size_t colon = line.find(':');
    message.headers.push_back({line.substr(0, colon), line.substr(colon + 1)});
  }
  message.headers_total = message.headers.size();
  message.body = text.substr(std::min(at + 2, text.size()));
  return message;
}

std::vector<SignatureOutcome> verify(const mail::Message& message, Keys& keys, TimePoint now) {
  MessageSignatures signatures(message);
  for (std::size_t at = 0; at < message.body.size(); at += 1'000)
    signatures.body(std::string_view(message.body).substr(at, 1'000));
  signatures.end();
  return signatures.dkim(keys, now).value();
}

bool some_pass(const std::vector<SignatureOutcome>& outcomes) {
  return std::any_of(outcomes.begin(), outcomes.end(),
                     [](const auto& one) { return one.result == SignatureResult::Pass; });
}

}  // namespace

TEST_CASE(
    "published signed messages verify at their time, and not when a byte of their body is "
    "changed") {
  std::ifstream file(test_data() / "dkim" / "stalwart.json");
  if (!file) {
    WARN("skipped: no test data (SLUICE_TEST_DATA)");
    return;
  }
  int verified = 0;
  for (const auto& row : nlohmann::json::parse(file)) {
    CAPTURE(row["id"].get<std::string>());
    const auto text = decode_base64(row["msg"].get<std::string>());
    REQUIRE(text);
    Keys keys(row["dns"]);
    const TimePoint now(std::chrono::seconds{row["now"].get<std::int64_t>()});
    mail::Message message = split_message(*text);
    const auto outcomes = verify(message, keys, now);
    REQUIRE_FALSE(outcomes.empty());
    std::string told;
    for (const auto& one : outcomes)
      told += one.domain + " " + std::string(signature_result_name(one.result)) + " " +
              one.problem + "; ";
    CAPTURE(told);
    CHECK(outcomes.back().result == SignatureResult::Pass);
    CHECK(some_pass(outcomes));
    ++verified;
    for (std::size_t at = 0; at < message.body.size(); at += 1 + message.body.size() / 200) {
      if (std::string_view(" \t\r\n").find(message.body[at]) != std::string_view::npos) continue;
      message.body[at] ^= 1;
      CHECK_FALSE(some_pass(verify(message, keys, now)));
      message.body[at] ^= 1;
    }
  }
  CHECK(verified == 6);
}
