#include "backends/smtp_reply.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace sluice;
using namespace sluice::backends;
using Found = SmtpReplyParser::Found;

namespace {

// All replies of a stream that comes in pieces of `size` octets; one of code 0 for what is none.
std::vector<SmtpReply> read(std::string_view stream, std::size_t size = 1'000'000) {
  std::vector<SmtpReply> replies;
  SmtpReplyParser parser;
  while (!stream.empty()) {
    std::string_view piece = stream.substr(0, size);
    stream.remove_prefix(piece.size());
    while (!piece.empty()) {
      SmtpReply reply;
      const Found found = parser.take(piece, reply);
      if (found == Found::Nothing) break;
      replies.push_back(reply);
      if (found == Found::Malformed) return replies;
    }
  }
  return replies;
}

std::string status(std::string_view line) {
  const auto replies = read(std::string(line) + "\r\n");
  REQUIRE(replies.size() == 1);
  return replies[0].status ? replies[0].status->to_string() : "-";
}

}  // namespace

TEST_CASE("a reply is its code, its status and its text, in whatever pieces it comes") {
  const std::string stream =
      "220 mx.far.example\r\n250-mx\r\n250-SIZE 1000\r\n250 SMTPUTF8\r\n"
      "550-5.1.1 no such\r\n550 5.1.1 user\r\n354\r\n250 bare line feed\n";
  for (const std::size_t size : {1u, 2u, 7u, 1000u}) {
    const auto replies = read(stream, size);
    REQUIRE(replies.size() == 5);
    CHECK(replies[0].code == 220);
    CHECK(replies[0].text == "mx.far.example");
    CHECK(replies[1].text == "mx\nSIZE 1000\nSMTPUTF8");
    CHECK(replies[2].code == 550);
    CHECK(replies[2].status->to_string() == "5.1.1");
    CHECK(replies[3].code == 354);
    CHECK(replies[3].text.empty());
    CHECK(replies[4].text == "bare line feed");
  }
}

TEST_CASE("keywords of EHLO are whole words at the start of a line, in any case") {
  const auto reply =
      read("250-mx.far.example\r\n250-size=1000\r\n250-AUTH=LOGIN\r\n250 smtputf8\r\n")[0];
  CHECK(reply.has_keyword("SMTPUTF8"));
  CHECK(reply.has_keyword("SIZE"));
  CHECK(reply.has_keyword("AUTH"));
  CHECK_FALSE(reply.has_keyword("SMTPUTF"));
  CHECK_FALSE(reply.has_keyword("LOGIN"));
}

TEST_CASE(
    "the enhanced status stands in front, or where qmail writes it, and is of the code's class") {
  CHECK(status("550 5.1.1 no such user") == "5.1.1");
  CHECK(status("550 5.1.1") == "5.1.1");
  CHECK(status("550 sorry, no mailbox here by that name. (#5.1.1)") == "5.1.1");
  CHECK(status("550 no such user") == "-");
  CHECK(status("550 2.1.1 contradicts itself") == "-");
  CHECK(status("550 5.1.1.1 too long") == "-");
  CHECK(status("550 x 5.1.1 in the middle") == "-");
}

TEST_CASE("what is no reply is told at once") {
  for (const char* line :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "25\r\n", "2x0 a\r\n", "250_a\r\n", "150 a\r\n",
        "650 a\r\n", "SSH-2.0-x\r\n", "250-a\r\nb\r\n"}) {
    const auto replies = read(line);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].code == 0);
  }
}

TEST_CASE("lines, their number and what is kept of them have caps") {
  CHECK(read("250 " + std::string(kMaxReplyLine - 5, 'a') + "\r\n")[0].code == 250);
  CHECK(read(std::string(kMaxReplyLine + 1, '2'))[0].code == 0);
  std::string lines;
  for (std::size_t i = 1; i < kMaxReplyLines; ++i) lines += "250-" + std::string(500, 'a') + "\r\n";
  const auto most = read(lines + "250 end\r\n");
  REQUIRE(most.size() == 1);
  CHECK(most[0].code == 250);
  CHECK(most[0].text.size() == kMaxReplyBytesKept);
  CHECK(read("250-one more\r\n" + lines + "250 end\r\n")[0].code == 0);
}

TEST_CASE("controls do not get through, and a summary is one short line") {
  const auto reply = read(std::string("550-5.1.1 a\x1b[2Jb\0c\r\n550 5.1.1 d", 27) +
                          std::string(500, 'x') + "\r\n")[0];
  CHECK(reply.text.find('\x1b') == std::string::npos);
  CHECK(reply.text.find('\0') == std::string::npos);
  CHECK(reply.summary().size() == 200);
  CHECK(reply.summary().find('\n') == std::string::npos);
  CHECK(reply.summary().substr(0, 12) == "550 5.1.1 a?");
}
