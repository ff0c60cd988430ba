#include "facts/message_defects.h"

#include <catch2/catch.hpp>

#include "facts/message_content.h"

using namespace sluice;
using namespace sluice::facts;

namespace {

using Names = std::vector<std::string>;

Names defects(std::string body, std::vector<mail::Header> headers = {{"Subject", "hello"}}) {
  mail::Message message;
  message.headers = std::move(headers);
  message.body = std::move(body);
  return MessageContent::parse(message, true)->defects();
}

}  // namespace

TEST_CASE("a message of good form has no defects") {
  CHECK(defects("hello\r\n\r\nworld\r\n").empty());
  CHECK(defects(std::string(998, 'a') + "\r\n").empty());
  CHECK(defects("").empty());
  // The cut of what is kept may fall between the two octets of a line end.
  CHECK(defects("hello\r").empty());
}

TEST_CASE("each defect has its word") {
  CHECK(defects("a\nb\r\n") == Names{"bare-lf"});
  CHECK(defects("\n") == Names{"bare-lf"});
  CHECK(defects("a\rb\r\n") == Names{"bare-cr"});
  CHECK(defects(std::string("a\0b\r\n", 5)) == Names{"nul"});
  CHECK(defects(std::string(999, 'a') + "\r\n") == Names{"long-line"});
  CHECK(defects("x", {{"Subject", "a\x01"}}) == Names{"control-in-header"});
  CHECK(defects("x", {{"Subject", "gr\xfc\xdf"}}) == Names{"eight-bit-header"});
  CHECK(defects("x", {{"From", "a@b.c"}, {"FROM", "d@e.f"}}) == Names{"duplicate-field"});
  CHECK(defects("x", {{"Content-Type", "multipart/mixed; boundary=a; boundary=b"}}) ==
        Names{"ambiguous-mime"});
  CHECK(defects("a\rb\nc", {{"To", "x"}, {"To", "y"}}) ==
        Names{"bare-cr", "bare-lf", "duplicate-field"});
}

TEST_CASE("fields that may stand once are told when they stand twice, others are not") {
  const auto twice = [](const char* name) {
    return duplicated_fields({{name, "1"}, {"Received", "x"}, {name, "2"}, {"Received", "y"}});
  };
  CHECK(twice("Subject") == Names{"subject"});
  CHECK(twice("Content-Type") == Names{"content-type"});
  CHECK(twice("X-Mine").empty());
  CHECK(twice("DKIM-Signature").empty());
}

TEST_CASE("scripts are those of letters, in the order of their first letter") {
  CHECK(scripts_of("Hello, world 123!") == Names{"Latn"});
  CHECK(scripts_of("p\xd0\xb0ypal") == Names{"Latn", "Cyrl"});  // a Cyrillic a
  CHECK(scripts_of("\xe4\xbd\xa0\xe5\xa5\xbd") == Names{"Hani"});
  CHECK(scripts_of("12:30 +49").empty());
  CHECK(scripts_of("\xff\xfe broken \xc3") == Names{"Latn"});
  CHECK(scripts_of("").empty());
}
