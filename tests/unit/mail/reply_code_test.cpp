#include "mail/reply_code.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

using namespace sluice::mail;

TEST_CASE("enhanced status: only class.subject.detail of RFC 3463 is one") {
  const auto status = EnhancedStatus::parse("5.7.28");
  REQUIRE(status);
  CHECK(*status == EnhancedStatus{5, 7, 28});
  CHECK(status->to_string() == "5.7.28");
  CHECK(EnhancedStatus::parse("4.999.999") == EnhancedStatus{4, 999, 999});
  CHECK(EnhancedStatus::parse("2.0.0") == EnhancedStatus{2, 0, 0});
  for (const std::string_view text :
       {"", "5", "5.7", "5.7.", ".7.1", "5..1", "5.7.1.1", "5.7.1 ", " 5.7.1", "3.7.1", "0.0.0",
        "6.7.1", "55.7.1", "5.1000.1", "5.7.1000", "5.-7.1", "5.+7.1", "5.7.x", "x.7.1"}) {
    INFO(text);
    CHECK_FALSE(EnhancedStatus::parse(text));
  }
}

TEST_CASE("catalogue: ascending, classes agree, every text can stand on the wire") {
  int before = 0;
  for (const ReplyCode& row : reply_codes()) {
    INFO(row.code);
    CHECK(row.code > before);
    before = row.code;
    CHECK(find_reply_code(row.code) == &row);
    CHECK_FALSE(row.text.empty());
    CHECK(row.text.find_first_of("\r\n") == std::string_view::npos);
    CHECK_FALSE(row.cause.empty());
    CHECK(row.rfc_code / 100 == row.code / 100);
    CHECK(row.by_policy == (row.code >= 400));
    if (!row.by_policy) {
      CHECK(row.enhanced.status_class == 0);
      continue;
    }
    CHECK(row.enhanced.status_class == row.code / 100);
    CHECK(row.rfc_enhanced.status_class == row.code / 100);
    CHECK_FALSE(row.stages.empty());
    const ReplyCode* const rfc = find_reply_code(row.rfc_code);
    REQUIRE(rfc != nullptr);
    CHECK(rfc->rfc_code == rfc->code);
  }
}

TEST_CASE("catalogue: each code of the two tables with its status and its registered twin") {
  struct Row {
    int code;
    std::string_view status;
    int rfc;
  };
  const Row rows[] = {
      {421, "4.3.2", 421},  {422, "4.2.2", 452},  {431, "4.7.28", 452}, {441, "4.4.1", 450},
      {442, "4.4.2", 450},  {446, "4.4.6", 451},  {450, "4.7.1", 450},  {451, "4.3.0", 451},
      {452, "4.5.3", 452},  {454, "4.7.0", 454},  {455, "4.5.4", 455},  {471, "4.3.0", 451},
      {500, "5.5.2", 500},  {501, "5.5.4", 501},  {502, "5.5.1", 502},  {503, "5.5.1", 503},
      {504, "5.5.2", 504},  {510, "5.1.8", 550},  {512, "5.1.2", 550},  {523, "5.3.4", 552},
      {530, "5.7.0", 530},  {535, "5.7.8", 535},  {538, "5.7.11", 538}, {541, "5.7.1", 550},
      {550, "5.7.1", 550},  {551, "5.1.6", 551},  {552, "5.2.2", 552},  {553, "5.1.7", 553},
      {554, "5.7.1", 554},  {555, "5.5.4", 555},  {432, "4.7.12", 432}, {521, "5.3.2", 521},
      {524, "5.7.11", 524}, {525, "5.7.13", 525}, {534, "5.7.9", 534},  {556, "5.1.10", 556},
  };
  for (const Row& row : rows) {
    INFO(row.code);
    const ReplyCode* const found = find_reply_code(row.code);
    REQUIRE(found != nullptr);
    CHECK(found->enhanced.to_string() == row.status);
    CHECK(found->rfc_code == row.rfc);
    CHECK(rfc_reply_code(row.code, found->enhanced) == row.rfc);
    CHECK(default_text(row.code, found->enhanced) == found->text);
  }
  for (const int code : {101, 211, 214, 220, 221, 235, 250, 251, 252, 334, 354}) {
    INFO(code);
    REQUIRE(find_reply_code(code) != nullptr);
    CHECK_FALSE(find_reply_code(code)->by_policy);
  }
  CHECK(reply_codes().size() == std::size(rows) + 11);
  for (const int code : {-1, 0, 99, 100, 199, 400, 420, 499, 540, 599, 600, 70000})
    CHECK(find_reply_code(code) == nullptr);
}

TEST_CASE("rfc_reply_code: a null MX of the recipient's domain has a code of its own") {
  CHECK(rfc_reply_code(512, {5, 1, 10}) == 556);
  CHECK(rfc_reply_code(512, {5, 7, 1}) == 550);
  CHECK(rfc_reply_code(471, {4, 7, 1}) == 451);
}

TEST_CASE("default texts: by the code's own status, then by status, then by code") {
  CHECK(default_text(431, {4, 7, 28}) == "Too many messages to this domain");
  CHECK(default_text(450, {4, 7, 28}) == "Mail flood detected, try again later");
  CHECK(default_text(550, {5, 1, 1}) == "No such mailbox here");
  CHECK(default_text(550, {5, 7, 1}) == "Rejected for policy reasons");
  CHECK(default_text(541, {5, 7, 1}) == "Message rejected by the spam filter");
  CHECK(default_text(550, {5, 9, 99}) == "Rejected for policy reasons");
  CHECK(default_text(599, {5, 9, 99}).empty());
  CHECK(default_text(550, {5, 7, 25}) == status_text({5, 7, 25}));
  for (const EnhancedStatus status : {EnhancedStatus{5, 7, 20},
                                      {5, 7, 23},
                                      {5, 7, 24},
                                      {4, 7, 24},
                                      {5, 7, 25},
                                      {5, 7, 27},
                                      {5, 1, 1},
                                      {5, 1, 8},
                                      {4, 7, 28},
                                      {4, 4, 3},
                                      {5, 1, 3},
                                      {4, 3, 1}}) {
    INFO(status.to_string());
    CHECK_FALSE(status_text(status).empty());
  }
  CHECK(status_text({5, 7, 24}) != status_text({4, 7, 24}));
  CHECK(status_text({5, 7, 1}).empty());
  CHECK(status_text({2, 1, 5}).empty());
}
