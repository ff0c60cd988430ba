#include "mail/reply.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice::mail;
using sluice::Cause;

namespace {

std::vector<std::string> lines_of(std::string_view text, std::string_view help = {},
                                  bool smtputf8 = false) {
  return Reply::make(550, {5, 7, 1}, text, help, smtputf8).value().lines();
}

}  // namespace

TEST_CASE("reply: refuses a code outside the table and a status of another class") {
  struct Row {
    int code;
    EnhancedStatus status;
  };
  const Row rows[] = {{599, {5, 7, 1}},  {250, {2, 0, 0}},    {354, {4, 7, 1}},   {0, {5, 7, 1}},
                      {-550, {5, 7, 1}}, {550, {4, 7, 1}},    {450, {5, 7, 1}},   {550, {2, 7, 1}},
                      {550, {0, 0, 0}},  {550, {5, 1000, 1}}, {550, {5, 1, 1000}}};
  for (const Row& row : rows) {
    INFO(row.code << ' ' << row.status.to_string());
    const auto reply = Reply::make(row.code, row.status, "no");
    REQUIRE_FALSE(reply);
    CHECK(reply.error().cause == Cause::Config);
    CHECK_FALSE(reply.error().what.empty());
  }
}

TEST_CASE("reply: every code a policy may give makes a reply") {
  for (const ReplyCode& row : reply_codes()) {
    if (!row.by_policy) continue;
    const auto reply = Reply::make(row.code, row.enhanced, "");
    REQUIRE(reply);
    CHECK(reply->wire_lines() ==
          std::vector<std::string>{std::to_string(row.code) + " " + row.enhanced.to_string() + " " +
                                   std::string(row.text)});
    CHECK(reply->is_temporary() == (row.code < 500));
    CHECK_FALSE(reply->empty());
  }
  CHECK(Reply().empty());
  CHECK(Reply().wire_lines().empty());
}

TEST_CASE("reply: help stands last, all lines carry code and status") {
  const auto reply =
      Reply::make(550, {5, 7, 23}, "not allowed (id 4F7K2C)", "https://example.com/why");
  REQUIRE(reply);
  CHECK(reply->wire_lines() == std::vector<std::string>{"550-5.7.23 not allowed (id 4F7K2C)",
                                                        "550 5.7.23 https://example.com/why"});
  CHECK(reply->text() == "not allowed (id 4F7K2C) https://example.com/why");
  CHECK(Reply::make(550, {5, 7, 23}, "", "see https://example.com").value().lines().size() == 2);
}

TEST_CASE("reply: text is cleaned of everything that could end a line or cheat a terminal") {
  CHECK(lines_of("a\r\n250 ok") == std::vector<std::string>{"a??250 ok"});
  CHECK(lines_of(std::string_view("a\0b\tc\x1b\x7f", 7)) == std::vector<std::string>{"a?b?c??"});
  CHECK(lines_of("grüße") == std::vector<std::string>{"gr?"
                                                      "?e"});
  CHECK(lines_of("grüße", {}, true) == std::vector<std::string>{"grüße"});
  CHECK(lines_of("gr\xFC\xDF"
                 "e",
                 {}, true) == std::vector<std::string>{"gr?"
                                                       "?e"});
  CHECK(lines_of("a\u202Eb\u0085", {}, true) == std::vector<std::string>{"a?b?"});
  CHECK(lines_of("100% sure <a@b>") == std::vector<std::string>{"100% sure <a@b>"});
  CHECK(lines_of("  blanks  ") == std::vector<std::string>{"blanks"});
  CHECK(lines_of("x", "h\r\nELP")[1] == "h??ELP");
}

TEST_CASE("reply: long text is wrapped at word ends and cut after ten lines") {
  std::string words;
  for (int i = 0; i < 300; ++i) words += "word" + std::to_string(i) + ' ';
  const auto lines = lines_of(words);
  REQUIRE(lines.size() > 1);
  std::string joined;
  for (const std::string& line : lines) {
    CHECK(line.size() <= kMaxReplyText);
    CHECK(line.front() != ' ');
    CHECK(line.back() != ' ');
    joined += line + ' ';
  }
  CHECK(joined == words);

  const std::string endless(100'000, 'x');
  const auto cut = lines_of(endless, "help");
  REQUIRE(cut.size() == kMaxReplyLines);
  CHECK(cut.front() == std::string(kMaxReplyText, 'x'));
  CHECK(cut[8] == std::string(kMaxReplyText - 3, 'x') + "...");
  CHECK(cut[9] == "help");
  CHECK(lines_of("x", endless)[1] == std::string(kMaxReplyText - 3, 'x') + "...");
}

TEST_CASE("reply: the edge of a line falls where it should") {
  const std::string full(kMaxReplyText, 'a');
  CHECK(lines_of(full).size() == 1);
  CHECK(lines_of(full + " b") == std::vector<std::string>{full, "b"});
  CHECK(lines_of(full + "b") == std::vector<std::string>{full, "b"});
  CHECK(lines_of("b " + full) == std::vector<std::string>{"b", full});
  CHECK(lines_of("a" + std::string(500, ' ') + "b") == std::vector<std::string>{"a", "b"});
  // A code point is never cut in two.
  const auto utf8 = lines_of(std::string(399, 'a') + "üb", {}, true);
  CHECK(utf8 == std::vector<std::string>{std::string(399, 'a'), "üb"});
}

TEST_CASE("reply: equal when the client reads the same") {
  CHECK(Reply::make(550, {5, 7, 1}, "a").value() == Reply::make(550, {5, 7, 1}, " a ").value());
  CHECK_FALSE(Reply::make(550, {5, 7, 1}, "a").value() == Reply::make(554, {5, 7, 1}, "a").value());
}
