#include "facts/dkim_canonical.h"

#include <catch2/catch.hpp>

#include "dkim_signer.h"

namespace sluice::facts {

namespace {

std::string canonical(Canonical form, std::string_view body, std::size_t piece = 1'000'000) {
  CanonicalBody canonical(form);
  std::string out;
  const auto take = [&](std::string_view bytes) { out += bytes; };
  for (std::size_t at = 0; at < body.size(); at += piece)
    canonical.feed(body.substr(at, piece), take);
  canonical.end(take);
  return out;
}

std::string field(Canonical form, std::string_view name, std::string_view value) {
  std::string out;
  append_canonical_field(out, form, name, value);
  return out;
}

}  // namespace

TEST_CASE("bodies: the examples of RFC 6376 3.4.5") {
  const std::string body = " C \r\nD \t E\r\n\r\n\r\n";
  CHECK(canonical(Canonical::Relaxed, body) == " C\r\nD E\r\n");
  CHECK(canonical(Canonical::Simple, body) == " C \r\nD \t E\r\n");
}

TEST_CASE("fields: the examples of RFC 6376 3.4.5") {
  CHECK(field(Canonical::Relaxed, "A", " X") == "a:X");
  CHECK(field(Canonical::Relaxed, "B ", " Y\t\r\n\tZ  ") == "b:Y Z");
  CHECK(field(Canonical::Simple, "B ", " Y\t\r\n\tZ  ") == "B : Y\t\r\n\tZ  ");
}

TEST_CASE("fields: a line end that came as LF alone is one, a CR alone is none") {
  CHECK(field(Canonical::Simple, "To", " a,\n\tb") == "To: a,\r\n\tb");
  CHECK(field(Canonical::Relaxed, "To", " a,\n\tb") == "to:a, b");
  CHECK(field(Canonical::Relaxed, "To", " a\rb") == "to:a\rb");
}

TEST_CASE("bodies: what is empty, and what has no line end") {
  CHECK(canonical(Canonical::Simple, "") == "\r\n");
  CHECK(canonical(Canonical::Relaxed, "") == "");
  CHECK(canonical(Canonical::Simple, "\r\n\r\n") == "\r\n");
  CHECK(canonical(Canonical::Relaxed, " \t\r\n\r\n") == "");
  CHECK(canonical(Canonical::Simple, "end") == "end\r\n");
  CHECK(canonical(Canonical::Relaxed, "end \t") == "end\r\n");
  CHECK(canonical(Canonical::Simple, "a\nb\n\n") == "a\r\nb\r\n");
  CHECK(canonical(Canonical::Simple, "a\r\r\nb\r") == "a\r\r\nb\r\r\n");
}

TEST_CASE("bodies: the form does not depend on how the body is cut into pieces") {
  const std::string body = testing::sample_message().body + "\r\n\t \r\n  x \r\r\n" +
                           std::string(9'000, 'y') + " \r\n\r\nend  \r\n\r\n";
  for (const bool relaxed : {false, true}) {
    const Canonical form = relaxed ? Canonical::Relaxed : Canonical::Simple;
    for (const std::size_t piece : {1, 2, 3, 7, 4'096})
      CHECK(canonical(form, body, piece) == testing::plain_body(body, relaxed));
  }
}

}  // namespace sluice::facts
