// The parsers of the peer itself: what it takes apart must be what was put together.
#include "milter_peer/frame.h"

#include <catch2/catch.hpp>
#include <random>

#include "milter_peer/answers.h"
#include "milter_peer/link.h"
#include "milter_peer/requests.h"

using namespace sluice::peer;
using namespace std::string_literals;

TEST_CASE("frames: come out whole and in order, however the bytes are cut") {
  std::mt19937 random(17);
  std::string bytes;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 40; ++i) {
    bodies.push_back(std::string(random() % 300, static_cast<char>('a' + i % 26)));
    append_frame(bytes, 'y', bodies.back());
  }
  for (const std::size_t cut : {1u, 3u, 7u, 64u, 100000u}) {
    FrameReader reader;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < bytes.size(); at += cut) {
      reader.feed(std::string_view(bytes).substr(at, cut));
      while (const auto frame = reader.next()) {
        REQUIRE(frame->code == 'y');
        seen.emplace_back(frame->body);
      }
    }
    CHECK(seen == bodies);
    CHECK(reader.pending_bytes() == 0);
  }
}

TEST_CASE("frames: a length of zero or beyond the cap breaks the stream for good") {
  for (const std::uint32_t length : {0u, static_cast<std::uint32_t>(kMaxAnswerBytes + 1), ~0u}) {
    std::string bytes;
    append_u32(bytes, length);
    FrameReader reader;
    reader.feed(bytes);
    CHECK_FALSE(reader.next());
    CHECK(reader.is_broken());
    append_frame(bytes, 'c', {});
    reader.feed(bytes);
    CHECK_FALSE(reader.next());
  }
}

TEST_CASE("negotiation: steps, actions and the macro lists of the filter are read") {
  std::string body;
  append_u32(body, 6);
  append_u32(body, 0x1ff);
  append_u32(body, kNoBody | kSilentHeader);
  append_u32(body, 3);
  body += "i  {rcpt_addr} {rcpt_mailer}\0"s;
  append_u32(body, 0);
  body += "\0"s;
  const auto seen = parse_negotiation(body);
  REQUIRE(seen);
  CHECK(seen->version == 6);
  CHECK_FALSE(seen->takes(Event::Body));
  CHECK(seen->takes(Event::EndOfBody));
  CHECK_FALSE(seen->answers(Event::Header));
  CHECK(seen->macros[3] == std::vector<std::string>{"i", "{rcpt_addr}", "{rcpt_mailer}"});
  CHECK(seen->macros[0] == std::vector<std::string>{});
  CHECK(seen->macros[2] == std::nullopt);
}

TEST_CASE("negotiation: what is cut short or names no stage is refused") {
  std::string body;
  for (const std::uint32_t number : {6u, 0u, 0u}) append_u32(body, number);
  CHECK(parse_negotiation(body));
  CHECK_FALSE(parse_negotiation(body.substr(0, 11)));
  CHECK_FALSE(parse_negotiation(body + "\0\0"s));
  CHECK_FALSE(parse_negotiation(body + "\0\0\0\3{i}"s));
  CHECK_FALSE(parse_negotiation(body + "\0\0\0\7i\0"s));
}

TEST_CASE("edits: texts and index are taken apart, a missing NUL is refused") {
  const auto edit = parse_edit({'m', std::string_view("\0\0\0\2Subject\0new\0", 16)});
  REQUIRE(edit);
  CHECK(edit->index == 2);
  CHECK(edit->texts == std::vector<std::string>{"Subject", "new"});
  CHECK_FALSE(parse_edit({'h', "X-A"}));
  CHECK_FALSE(parse_edit({'i', std::string_view("\0\0", 2)}));
  CHECK_FALSE(parse_edit({'c', {}}));
  CHECK(parse_edit({'b', "no NUL in a body"})->texts.front() == "no NUL in a body");
}

TEST_CASE("answers: a letter that no filter may send is told apart") {
  CHECK(part_of({'y', {}}) == AnswerPart::Final);
  CHECK(part_of({'h', {}}) == AnswerPart::Edit);
  CHECK(part_of({'p', {}}) == AnswerPart::Progress);
  CHECK(part_of({'Z', {}}) == AnswerPart::Invalid);
  CHECK(part_of({'O', {}}) == AnswerPart::Invalid);
}

TEST_CASE("replies: a doubled percent sign is one to the client") {
  CHECK(undouble_percent("550 100%% sure, %%s") == "550 100% sure, %s");
  CHECK(undouble_percent("%%%%") == "%%");
  CHECK(undouble_percent("%") == "%");
}

TEST_CASE("endpoints: unix and inet are read, anything else is refused") {
  CHECK(Endpoint::parse("unix:/run/x.sock")->path == "/run/x.sock");
  CHECK(Endpoint::parse("/run/x.sock")->path == "/run/x.sock");
  CHECK(Endpoint::parse("inet:127.0.0.1:7357")->port == 7357);
  CHECK(Endpoint::parse("inet:[::1]:7357")->host == "::1");
  for (const char* wrong : {"inet:7357", "inet:127.0.0.1:", "inet:127.0.0.1:70000", "run/x.sock"})
    CHECK_FALSE(Endpoint::parse(wrong));
}
