#include <catch2/catch.hpp>

#include "fact_fixture.h"
#include "facts/archive.h"
#include "facts/message_content.h"

namespace sluice::facts {

namespace {

std::shared_ptr<const MessageContent> parse(std::string type, std::string body) {
  mail::Message message;
  message.headers = {{"Content-Type", std::move(type)}};
  message.body = std::move(body);
  return MessageContent::parse(message, true);
}

constexpr const char* kMixed = "multipart/mixed; boundary=\"b1\"";

// A zip archive with the one member run.js, and one whose member is encrypted.
constexpr const char* kZip =
    "UEsDBBQAAAAIAAAAIVyeyL1xEwAAABEAAAAGAAAAcnVuLmpzCw9OLsosKNFzTc7I1zDUtOYCAFBL\r\n"
    "AQIUAxQAAAAIAAAAIVyeyL1xEwAAABEAAAAGAAAAAAAAAAAAAACAAQAAAABydW4uanNQSwUGAAAA\r\nAAEAAQA0AAAANw"
    "AAAAAA\r\n";
constexpr const char* kEncryptedZip =
    "UEsDBBQAAQAAAAAAIVyQzDVdGQAAAA0AAAAKAAAAc2VjcmV0LnR4dNvsKE8s2Qkg6RQRA0jCMXQH\r\n"
    "VcYnNVp8DPhQSwECFAAUAAEAAAAAACFckMw1XRkAAAANAAAACgAAAAAAAAAAAAAAAAAAAAAAc2Vj\r\n"
    "cmV0LnR4dFBLBQYAAAAAAQABADgAAABBAAAAAAA=\r\n";

std::string with_zip(const char* zip) {
  return std::string(
             "--b1\r\nContent-Type: text/plain\r\n\r\nsee attachment\r\n--b1\r\nContent-Type: "
             "application/zip\r\n"
             "Content-Disposition: attachment; filename=\"docs.zip\"\r\nContent-Transfer-Encoding: "
             "base64\r\n\r\n") +
         zip + "--b1--\r\n";
}

}  // namespace

TEST_CASE("structure: parts, their types and text") {
  const auto m = parse(kMixed, with_zip(kZip));
  REQUIRE(m->structure().parts.size() == 3);
  CHECK(m->structure().parts[1].type.value == "text/plain");
  CHECK(m->text() == "see attachment");
  CHECK_FALSE(m->truncated());
}

TEST_CASE(
    "attachments: members of a zip, none of what is no archive, unknown of an encrypted one") {
  const auto plain_zip = parse(kMixed, with_zip(kZip));
  REQUIRE(plain_zip->attachments().size() == 1);
  const Attachment& file = plain_zip->attachments()[0];
  CHECK(file.name == "docs.zip");
  CHECK(file.ext == "zip");
  CHECK_FALSE(file.encrypted);
  CHECK(file.members == std::vector<std::string>{"run.js"});
  const auto encrypted = parse(kMixed, with_zip(kEncryptedZip));
  CHECK(encrypted->attachments()[0].encrypted);
  CHECK_FALSE(encrypted->attachments()[0].members.has_value());
}

TEST_CASE("extension: case, trailing dots and blanks do not hide it") {
  CHECK(extension_of("invoice.EXE") == "exe");
  CHECK(extension_of("a.scr. ") == "scr");
  CHECK(extension_of("a.b.c") == "c");
  CHECK(extension_of("README") == "");
  CHECK(extension_of("dir.d/file") == "");
  CHECK(extension_of("x.\x01") == "");
}

TEST_CASE("file names: RFC 2231 pieces, RFC 2047 words, the name of Content-Type") {
  const auto name = [](std::string disposition) {
    const auto m =
        parse(kMixed, "--b1\nContent-Type: application/x\nContent-Disposition: " + disposition +
                          "\n\nx\n--b1--\n");
    return m->attachments().at(0).name;
  };
  CHECK(name("attachment; filename*0*=utf-8''f%C3%BCr; filename*1=\".exe\"") == "für.exe");
  CHECK(name("attachment; filename=\"=?UTF-8?Q?f=C3=BCr.exe?=\"") == "für.exe");
  CHECK(name("attachment; filename=plain.exe (comment)") == "plain.exe");
  CHECK(parse("application/zip; name=\"x.zip\"", "PK")->attachments().at(0).name == "x.zip");
}

TEST_CASE("structure: a parameter given twice, or two Content-Type fields, are ambiguous") {
  CHECK(parse("multipart/mixed; boundary=a; boundary=b", "x")->structure().ambiguous);
  CHECK_FALSE(parse(kMixed, "x")->structure().ambiguous);
  mail::Message twice;
  twice.headers = {{"Content-Type", "text/plain"}, {"content-type", "text/html"}};
  CHECK(MessageContent::parse(twice, true)->structure().ambiguous);
}

TEST_CASE("enclosed messages: their headers are text, their parts are found") {
  const auto m = parse(kMixed,
                       "--b1\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: "
                       "multipart/mixed; boundary=b2\n\n"
                       "--b2\nContent-Type: application/x\nContent-Disposition: attachment; "
                       "filename=deep.exe\n\nMZ\n--b2--\n--b1--\n");
  CHECK(m->text().find("Subject: inner") != std::string::npos);
  REQUIRE(m->attachments().size() == 1);
  CHECK(m->attachments()[0].ext == "exe");
}

TEST_CASE("body: missing ends and foreign boundaries do not lose the attachment") {
  const auto m = parse(kMixed, "--b1\nContent-Disposition: attachment; filename=a.exe\n\nMZ");
  CHECK(m->attachments().at(0).name == "a.exe");
  CHECK(m->attachments().at(0).size == 2);
}

TEST_CASE("macros: by the name of the file, by a member, by the magic of old Office files") {
  const auto one = [](std::string name, std::string content) {
    return parse(kMixed, "--b1\nContent-Disposition: attachment; filename=" + name + "\n\n" +
                             content + "\n--b1--\n")
        ->attachments()
        .at(0)
        .macros;
  };
  CHECK(one("a.docm", "x"));
  CHECK_FALSE(one("a.docx", "x"));
  CHECK(one("a.doc", std::string("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") +
                         std::string("_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0", 24)));
}

TEST_CASE("charsets: declared ones, text converted to UTF-8") {
  const auto m = parse("text/plain; charset=KOI8-R", "\xf4\xc5\xd3\xd4");
  CHECK(m->charsets() == std::vector<std::string>{"koi8-r"});
  CHECK(m->text() == "Тест");
}

TEST_CASE("bounds: a million parts, deep nesting and long lines end in truncation, not in memory") {
  std::string many;
  for (int i = 0; i < 200'000; ++i) many += "--b1\n\nx\n";
  const auto wide = parse(kMixed, many);
  CHECK(wide->structure().parts.size() <= kMaxParts);
  CHECK(wide->truncated());
  std::string deep;
  for (int i = 0; i < 10'000; ++i)
    deep += "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n";
  const auto nested = parse("multipart/mixed; boundary=b", deep);
  CHECK(nested->structure().parts.size() <= kMaxParts);
  std::string enclosed;
  for (int i = 0; i < 10'000; ++i) enclosed += "Content-Type: message/rfc822\n\n";
  CHECK(parse("message/rfc822", enclosed)->truncated());
}

TEST_CASE("zip: cut off, overlong and lying directories are refused") {
  CHECK_FALSE(read_zip("PK\x05\x06").has_value());
  const std::string end("PK\x05\x06\0\0\0\0\x01\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
  CHECK_FALSE(read_zip(end).has_value());
  const std::string empty("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
  REQUIRE(read_zip(empty).has_value());
  CHECK(read_zip(empty)->members.empty());
}

TEST_CASE("msg.size: header, empty line and body, also beyond what is kept") {
  FactFixture f;
  f.message_.emplace();
  f.message_->headers_bytes = 100;
  f.message_->body_bytes = 5'000'000;
  CHECK(f.ask("msg.size") == policy::Value(5'000'102));
}

}  // namespace sluice::facts
