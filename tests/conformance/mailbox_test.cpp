// rooms: mail
// mailboxes.tsv: what the grammar of mail addresses allows and what not, with the rule of each
// case, against the parser, the naive one of the fuzz targets and the paths of MAIL and RCPT.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "../fuzz/naive_mailbox.h"
#include "mail/address.h"
#include "mail/domain.h"

using namespace sluice;
using namespace sluice::mail;

namespace {

struct Case {
  std::string verdict, mailbox, rule;
};

int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text.at(i + 1) == 'x') {
      out += static_cast<char>(hex_digit(text.at(i + 2)) * 16 + hex_digit(text.at(i + 3)));
      i += 3;
    } else {
      out += text.at(++i);
    }
  }
  return out;
}

std::vector<Case> table() {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/conformance/mailboxes.tsv");
  std::vector<Case> cases;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t first = line.find('\t'), second = line.rfind('\t');
    REQUIRE(first < second);
    cases.push_back({line.substr(0, first), unescaped(line.substr(first + 1, second - first - 1)),
                     line.substr(second + 1)});
  }
  return cases;
}

void check_path(const Case& c, Utf8 utf8, bool expected) {
  const auto path = parse_path('<' + c.mailbox + '>', utf8, SourceRoute::Refused);
  const bool is_mailbox = path && *path && !(*path)->domain.empty();
  CHECK(is_mailbox == expected);
  const auto routed = parse_path("<@relay.example:" + c.mailbox + '>', utf8, SourceRoute::Stripped);
  const bool fits = c.mailbox.size() + 17 <= kMaxPath;
  // A route may stand in front of a route.
  if (fits && c.mailbox.find('@') != 0) CHECK((routed && *routed) == expected);
}

void check_case(const Case& c, Utf8 utf8, bool expected) {
  const auto parsed = parse_mailbox(c.mailbox, utf8);
  CHECK(parsed.has_value() == expected);
  CHECK(fuzz::naive_is_mailbox(c.mailbox, utf8 == Utf8::Allowed) == expected);
  if (!parsed) CHECK_FALSE(parsed.error().what.empty());
  check_path(c, utf8, expected);
}

}  // namespace

TEST_CASE("mailbox: no valid one is refused and no invalid one taken") {
  const std::vector<Case> cases = table();
  std::map<std::string, int> met;
  for (const Case& c : cases) {
    INFO(c.verdict << ": " << c.mailbox << "  (" << c.rule << ")");
    ++met[c.verdict];
    check_case(c, Utf8::Refused, c.verdict == "valid");
    check_case(c, Utf8::Allowed, c.verdict != "invalid");
  }
  std::printf("%zu mailboxes: %d valid, %d valid with SMTPUTF8, %d invalid\n", cases.size(),
              met["valid"], met["utf8"], met["invalid"]);
  CHECK(cases.size() >= 400);
  CHECK(met.size() == 3);
}

TEST_CASE("mailbox: a HELO argument is a Domain or an address literal by the same rules") {
  for (const Case& c : table()) {
    const std::size_t at = c.mailbox.find('@');
    if (c.mailbox.rfind("ann@", 0) != 0 || c.mailbox.find('@', at + 1) != std::string::npos)
      continue;
    INFO(c.mailbox << "  (" << c.rule << ")");
    CHECK(is_valid_helo(std::string_view(c.mailbox).substr(at + 1)) == (c.verdict == "valid"));
  }
}
