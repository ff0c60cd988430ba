// Messages made to hurt: whatever they hold, reading them is bounded in memory, and in time by their
// size. SLUICE_TIME_RATIO sets how much longer twice the size may take (3; quadratic would be 4; a
// quiet machine holds 2.3).
#include <malloc.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>

#include "facts/message_content.h"

using namespace sluice;
using namespace sluice::facts;

namespace {

struct Hostile {
  std::string name;
  std::function<mail::Message(std::size_t n)> make;
};

mail::Message with(std::vector<mail::Header> headers, std::string body = "x\r\n") {
  mail::Message message;
  message.headers = std::move(headers);
  message.body = std::move(body);
  message.body_bytes = message.body.size();
  return message;
}

std::string times(std::size_t n, std::string_view text) {
  std::string all;
  all.reserve(n * text.size());
  for (std::size_t i = 0; i < n; ++i) all += text;
  return all;
}

const std::string kMixed = "multipart/mixed; boundary=\"b\"";

std::string nested(std::size_t n, const std::string& type) {
  std::string body;
  for (std::size_t i = 0; i < n; ++i) {
    const std::string boundary = type == kMixed ? "b" + std::to_string(i) : "b";
    body += "--" + boundary + "\r\nContent-Type: multipart/mixed; boundary=b" +
            std::to_string(i + 1) + "\r\n\r\n";
  }
  return body;
}

mail::Message fields(std::size_t n, const std::string& name, const std::string& value) {
  return with(std::vector<mail::Header>(n, {name, value}));
}

// Families that grow: n is about their size in lines or fields.
const std::vector<Hostile>& growing() {
  static const std::vector<Hostile> all = {
      {"parts", [](std::size_t n) { return with({{"Content-Type", kMixed}}, times(n, "--b\r\n\r\nx\r\n")); }},
      {"empty parts", [](std::size_t n) { return with({{"Content-Type", kMixed}}, times(n, "--b\r\n")); }},
      {"parts that end", [](std::size_t n) { return with({{"Content-Type", kMixed}}, times(n, "--b--\r\n")); }},
      {"nested multiparts", [](std::size_t n) { return with({{"Content-Type", "multipart/mixed; boundary=b0"}}, nested(n, kMixed)); }},
      {"one boundary for all levels", [](std::size_t n) { return with({{"Content-Type", kMixed}}, times(n, "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")); }},
      {"enclosed messages", [](std::size_t n) { return with({{"Content-Type", "message/rfc822"}}, times(n, "Content-Type: message/rfc822\r\n\r\n")); }},
      {"lines like boundaries", [](std::size_t n) { return with({{"Content-Type", kMixed}}, times(n, "--c\r\n--bb\r\n- -b\r\n")); }},
      {"part headers", [](std::size_t n) { return with({{"Content-Type", kMixed}}, "--b\r\n" + times(n, "X: y\r\n")); }},
      {"folded part header", [](std::size_t n) { return with({{"Content-Type", kMixed}}, "--b\r\nX: y\r\n" + times(n, " z\r\n")); }},
      {"fields", [](std::size_t n) { return fields(n, "X-A", "b"); }},
      {"From fields", [](std::size_t n) { return fields(n, "From", "\"A\" <a@b.example>"); }},
      {"Received fields", [](std::size_t n) { return fields(n, "Received", "from a (b [192.0.2.1]) by c"); }},
      {"Content-Type fields", [](std::size_t n) { return fields(n, "Content-Type", "text/plain; charset=utf-8"); }},
      {"mailboxes of one From", [](std::size_t n) { return with({{"From", times(n, "a@b.c, ")}}); }},
      {"groups of one From", [](std::size_t n) { return with({{"From", times(n, "g: a@b.c;, ")}}); }},
      {"nested comments", [](std::size_t n) { return with({{"From", times(n, "(") + "a@b.c"}}); }},
      {"quotes that never close", [](std::size_t n) { return with({{"From", times(n, "\"a\\")}}); }},
      {"angle brackets", [](std::size_t n) { return with({{"From", times(n, "<")}}); }},
      {"encoded words", [](std::size_t n) { return with({{"Subject", times(n, "=?utf-8?q?=41?= ")}}); }},
      {"half encoded words", [](std::size_t n) { return with({{"Subject", times(n, "=?utf-8?q?")}}); }},
      {"a folded subject", [](std::size_t n) { return with({{"Subject", times(n, "\n a")}}); }},
      {"parameters", [](std::size_t n) { return with({{"Content-Type", "text/plain" + times(n, "; a=b")}}); }},
      {"parameter pieces", [](std::size_t n) {
         std::string value = "application/x";
         for (std::size_t i = 0; i < n; ++i) value += "; name*" + std::to_string(i) + "*=%41";
         return with({{"Content-Type", value}});
       }},
      {"semicolons", [](std::size_t n) { return with({{"Content-Type", times(n, ";")}}); }},
      {"base64 of nothing", [](std::size_t n) { return with({{"Content-Transfer-Encoding", "base64"}}, times(n, "====\r\n")); }},
      {"base64", [](std::size_t n) { return with({{"Content-Transfer-Encoding", "base64"}, {"Content-Type", "application/x"}}, times(n, "QUFBQUFBQUFBQUFBQUFBQUFB\r\n")); }},
      {"quoted-printable soft breaks", [](std::size_t n) { return with({{"Content-Transfer-Encoding", "quoted-printable"}}, times(n, "=\r\n")); }},
      {"quoted-printable broken", [](std::size_t n) { return with({{"Content-Transfer-Encoding", "quoted-printable"}}, times(n, "=G=4=")); }},
      {"one long line", [](std::size_t n) { return with({}, times(n, "abcdefgh")); }},
      {"empty lines", [](std::size_t n) { return with({}, times(n, "\n")); }},
      {"carriage returns", [](std::size_t n) { return with({}, times(n, "\r")); }},
      {"nuls", [](std::size_t n) { return with({}, std::string(n, '\0')); }},
      {"a foreign charset", [](std::size_t n) { return with({{"Content-Type", "text/plain; charset=utf-7"}}, times(n, "+AGE-")); }},
      {"zip of nothing", [](std::size_t n) { return with({{"Content-Type", "application/zip; name=a.zip"}}, "PK\x03\x04" + times(n, "PK\x01\x02")); }},
      {"zip ends", [](std::size_t n) { return with({{"Content-Type", "application/zip; name=a.zip"}}, "PK\x03\x04" + times(n, "PK\x05\x06")); }},
      {"ole magic", [](std::size_t n) { return with({{"Content-Type", "application/msword; name=a.doc"}}, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + times(n, std::string_view("_\0V\0B", 5))); }},
  };
  return all;
}

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::size_t bytes_of(const mail::Message& message) {
  std::size_t bytes = message.body.size();
  for (const mail::Header& header : message.headers) bytes += header.name.size() + header.value.size();
  return bytes;
}

// What every reading must keep to.
void require_bounded(const MessageContent& content) {
  REQUIRE(content.structure().parts.size() <= kMaxParts);
  REQUIRE(content.attachments().size() <= kMaxAttachments);
  REQUIRE(content.text().size() <= kMaxBodyText + kMaxPartHeaderBytes);
  REQUIRE(content.from().size() <= kMaxMailboxes);
}

// The least of some runs: what else the machine does only makes one longer.
double seconds_for(const mail::Message& message) {
  double least = 1e9;
  for (int run = 0; run < 5; ++run) {
    const double started = cpu_seconds();
    const auto content = MessageContent::parse(message, true);
    least = std::min(least, cpu_seconds() - started);
    require_bounded(*content);
  }
  return least;
}

double allowed_ratio() {
  const char* given = std::getenv("SLUICE_TIME_RATIO");
  return given != nullptr ? std::atof(given) : 3.0;
}

std::filesystem::path test_data() {
  const char* given = std::getenv("SLUICE_TEST_DATA");
  return given != nullptr ? given : std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/data";
}

mail::Message from_text(const std::string& text) {
  mail::Message message;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && !line.empty() && line != "\r";) {
    const std::size_t colon = line.find(':');
    if ((line[0] == ' ' || line[0] == '\t') && !message.headers.empty()) {
      message.headers.back().value += "\n" + line;
    } else if (colon != std::string::npos) {
      message.headers.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
  }
  std::ostringstream rest;
  rest << lines.rdbuf();
  message.body = rest.str();
  message.body_bytes = message.body.size();
  return message;
}

const char* const kWhole =
    "From: \"=?utf-8?q?J=C3=B6rg?=\" <joerg@example.com>\r\nTo: ann@example.com\r\nSubject: "
    "=?utf-8?b?w7xiZXI=?= all\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
    "boundary=\"outer\"\r\n\r\npreamble\r\n--outer\r\nContent-Type: multipart/alternative; "
    "boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-"
    "Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DFe\r\n--inner\r\nContent-Type: "
    "text/html\r\n\r\n<p>hello</p>\r\n--inner--\r\n--outer\r\nContent-Type: "
    "message/rfc822\r\n\r\nSubject: enclosed\r\nContent-Type: text/plain\r\n\r\ntext\r\n--outer\r\n"
    "Content-Type: application/zip\r\nContent-Disposition: attachment; filename*0*=utf-8''f%C3; "
    "filename*1*=%BCr.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAAIAAAAIVyeyL1xEwAA"
    "ABEAAAAGAAAAcnVuLmpzCw9OLsosKNFzTc7I1zDUtOYCAFBL\r\nAQIUAxQAAAAIAAAAIVyeyL1xEwAAABEAAAAGAAAA"
    "AAAAAAAAAACAAQAAAABydW4uanNQSwUGAAAA\r\nAAEAAQA0AAAANwAAAAAA\r\n--outer--\r\nepilogue\r\n";

}  // namespace

TEST_CASE("hostile messages: twice the size takes at most about twice the time") {
  for (const Hostile& family : growing()) {
    // Large enough to be measured, small enough to be over soon.
    std::size_t n = 2'000;
    double small = seconds_for(family.make(n));
    while (small < 0.004 && n < 1'000'000) {
      n *= 2;
      small = seconds_for(family.make(n));
    }
    double ratio = 1;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const double large = seconds_for(family.make(2 * n));
      ratio = small < 0.001 ? 1 : large / small;
      if (ratio <= allowed_ratio()) break;
      small = std::max(small, seconds_for(family.make(n)));
    }
    INFO(family.name << ", n = " << n << ": " << small * 1e3 << " ms, twice that " << ratio);
    CHECK(ratio <= allowed_ratio());
  }
}

TEST_CASE("hostile messages: the largest of each kind is read within memory and time of its size") {
  const std::map<std::string, std::size_t> largest = {
      {"parts", 1'000'000}, {"nested multiparts", 10'000}, {"fields", 100'000},
      {"From fields", 100'000}, {"Received fields", 100'000}, {"enclosed messages", 10'000}};
  for (const Hostile& family : growing()) {
    const auto named = largest.find(family.name);
    const mail::Message message = family.make(named != largest.end() ? named->second : 200'000);
    const std::size_t before = ::mallinfo2().uordblks;
    const auto content = MessageContent::parse(message, true);
    const std::size_t after = ::mallinfo2().uordblks;
    require_bounded(*content);
    INFO(family.name << ": " << bytes_of(message) << " bytes, kept " << (after - before));
    // Fields are kept raw and decoded; all else has caps of its own.
    CHECK(after < before + 8 * bytes_of(message) + 64 * message.headers.size() * 4 + (40u << 20));
  }
}

TEST_CASE("hostile messages: cut anywhere, one is still read") {
  const std::string whole = kWhole;
  for (std::size_t length = 0; length <= whole.size(); ++length)
    require_bounded(*MessageContent::parse(from_text(whole.substr(0, length)), true));
}

TEST_CASE("hostile messages: bytes changed, lost, doubled and swapped") {
  std::mt19937_64 random(20'261'125);
  const std::string whole = kWhole;
  for (int round = 0; round < 2'000; ++round) {
    std::string text = whole;
    for (std::uint64_t changes = 1 + random() % 8; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random() % text.size(), length = random() % 40;
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(at, length));
          break;
        default:
          text.insert(random() % text.size(), text.substr(at, length));
          break;
      }
    }
    require_bounded(*MessageContent::parse(from_text(text), true));
  }
}

TEST_CASE("real messages, spam and not, are read") {
  const auto folder = test_data() / "mail";
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: no test data");
    return;
  }
  int seen = 0, with_text = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    const auto content = MessageContent::parse(from_text(text.str()), true);
    require_bounded(*content);
    ++seen;
    if (!content->text().empty()) ++with_text;
  }
  CHECK(seen >= 100);
  CHECK(with_text > seen / 2);
}
