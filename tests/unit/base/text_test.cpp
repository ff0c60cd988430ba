#include "base/text.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice;
using std::chrono::milliseconds;

TEST_CASE("fold: lower-cases ASCII and other scripts by simple folding") {
  struct Row {
    std::string_view text, folded;
  };
  const Row rows[] = {
      {"", ""},
      {"Ann", "ann"},
      {"ANN@EXAMPLE.COM", "ann@example.com"},
      {"[\\]^_`{", "[\\]^_`{"},
      {"GRÜSSE", "grüsse"},
      {"Straße", "straße"},
      {"ẞ", "ß"},
      {"ΣΑΣ", "σασ"},
      {"ς", "σ"},
      {"ЖЁ", "жё"},
      {"\u212A", "k"},
      {"\u017F", "s"},
      {"İ", "İ"},
      {"ı", "ı"},
      {"Ǆ", "ǆ"},
      {"ǅ", "ǆ"},
      {"Ა", "ა"},
      {"Ꭰ", "Ꭰ"},
      {"ꭰ", "Ꭰ"},
      {"\U00010400", "\U00010428"},
      {"日本", "日本"},
      {"A\xC3(B\xFF", "a\xC3(b\xFF"},
      {"\xED\xA0\x80", "\xED\xA0\x80"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(fold(row.text) == row.folded);
    CHECK(fold(fold(row.text)) == fold(row.text));
    CHECK(equal_folded(row.text, row.folded));
  }
  CHECK_FALSE(equal_folded("ann", "anne"));
  CHECK_FALSE(equal_folded("@", "`"));
  CHECK(fold(std::string_view("A\0B", 3)) == std::string("a\0b", 3));
}

TEST_CASE("trim and split: blanks and tabs go, empty parts stay") {
  CHECK(trim(" \t a b\t ") == "a b");
  CHECK(trim(" \t ").empty());
  CHECK(trim("\na") == "\na");
  CHECK(split("a,,b,", ',') == std::vector<std::string_view>{"a", "", "b", ""});
  CHECK(split("", ',') == std::vector<std::string_view>{""});
}

TEST_CASE("parse_duration: takes units from large to small") {
  struct Row {
    std::string_view text;
    std::int64_t ms;
    std::string_view rendered;
  };
  const Row rows[] = {
      {"0s", 0, "0s"},
      {"0d", 0, "0s"},
      {"5m", 300'000, "5m"},
      {"2m5s", 125'000, "2m5s"},
      {"1h", 3'600'000, "1h"},
      {"250ms", 250, "250ms"},
      {"1d2h3m4s5ms", 93'784'005, "1d2h3m4s5ms"},
      {"90s", 90'000, "1m30s"},
      {"24h", 86'400'000, "1d"},
      {"1s1ms", 1'001, "1s1ms"},
      {"1m1ms", 60'001, "1m1ms"},
      {"007s", 7'000, "7s"},
      {"36525d", 3'155'760'000'000, "36525d"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto parsed = parse_duration(row.text);
    REQUIRE(parsed);
    CHECK(parsed->count() == row.ms);
    CHECK(render_duration(*parsed) == row.rendered);
    CHECK(parse_duration(row.rendered) == parsed);
  }
}

TEST_CASE("parse_duration: refuses what could be meant in two ways") {
  for (const std::string_view text : {"",
                                      "5",
                                      "m",
                                      "5 m",
                                      " 5m",
                                      "5m ",
                                      "-5m",
                                      "+5m",
                                      "5M",
                                      "5S",
                                      "5s2m",
                                      "5m5m",
                                      "1.5h",
                                      "5mm",
                                      "5min",
                                      "36525d1ms",
                                      "36526d",
                                      "99999999999999999999s",
                                      "9223372036854775807d",
                                      "1h5",
                                      "1e3s",
                                      "5m\n",
                                      "０s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
  CHECK_FALSE(parse_duration(std::string_view("5m\0", 3)));
}

TEST_CASE("render_duration: negative durations and the extremes have a form") {
  CHECK(render_duration(milliseconds(-300'000)) == "-5m");
  CHECK(render_duration(milliseconds::min()) == "-106751991167d7h12m55s808ms");
  CHECK(render_duration(milliseconds::max()) == "106751991167d7h12m55s807ms");
}

TEST_CASE("parse_size: counts by 1024, up to 2^53") {
  struct Row {
    std::string_view text;
    std::int64_t bytes;
    std::string_view rendered;
  };
  const Row rows[] = {
      {"0B", 0, "0B"},
      {"10B", 10, "10B"},
      {"1023B", 1023, "1023B"},
      {"1024B", 1024, "1kB"},
      {"1.5kB", 1536, "1.5kB"},
      {"25MB", 26'214'400, "25MB"},
      {"2GB", 2'147'483'648, "2GB"},
      {"6000000B", 6'000'000, "5.72MB"},
      {"1048575B", 1'048'575, "1MB"},
      {"1048570B", 1'048'570, "1023.99kB"},
      {"0.1kB", 102, "102B"},
      {"8388608GB", 9'007'199'254'740'992, "8388608GB"},
      {"0.5B", 1, "1B"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(parse_size(row.text) == row.bytes);
    CHECK(render_size(row.bytes) == row.rendered);
  }
  CHECK(render_size(-1536) == "-1.5kB");
  for (const std::string_view text : {"",
                                      "5",
                                      "MB",
                                      "5m",
                                      "5mb",
                                      "5KB",
                                      "5TB",
                                      ".5MB",
                                      "5.MB",
                                      "5 MB",
                                      "-5MB",
                                      "+5MB",
                                      "1e3B",
                                      "1..5kB",
                                      "1.5.1kB",
                                      "0x10B",
                                      "8388609GB",
                                      "9007199254740993.9B",
                                      "99999999999999999999999999B",
                                      "infB",
                                      "nanB",
                                      "5MBB"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text));
  }
}

TEST_CASE("render_number: shortest form with at most two decimals") {
  struct Row {
    double value;
    std::string_view text;
  };
  const Row rows[] = {
      {0, "0"},        {-0.0, "0"},      {5, "5"},      {5.5, "5.5"}, {100, "100"},
      {5.678, "5.68"}, {-2.25, "-2.25"}, {-0.001, "0"}, {0.999, "1"}, {1e15, "1000000000000000"}};
  for (const Row& row : rows) CHECK(render_number(row.value) == row.text);
}

TEST_CASE("parse_datetime: RFC 3339, seconds and zone may be left out") {
  struct Row {
    std::string_view text, rendered;
  };
  const Row rows[] = {
      {"2026-10-15T00:00Z", "2026-10-15T00:00:00Z"},
      {"2026-10-15T00:00", "2026-10-15T00:00:00Z"},
      {"2026-10-15t23:59:59z", "2026-10-15T23:59:59Z"},
      {"2026-10-15T02:00:00+02:00", "2026-10-15T00:00:00Z"},
      {"2026-10-15T02:00-05:30", "2026-10-15T07:30:00Z"},
      {"1970-01-01T00:00:00.250Z", "1970-01-01T00:00:00.250Z"},
      {"1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"},
      {"2024-02-29T12:00Z", "2024-02-29T12:00:00Z"},
      {"0000-01-01T00:00Z", "0000-01-01T00:00:00Z"},
      {"9999-12-31T23:59:60Z", "10000-01-01T00:00:00Z"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto parsed = parse_datetime(row.text);
    REQUIRE(parsed);
    CHECK(render_datetime(*parsed) == row.rendered);
  }
  for (const std::string_view text :
       {"", "2026-10-15", "2026-10-15T", "2026-10-15T1:00Z", "2026-10-15 00:00Z",
        "2026-13-01T00:00Z", "2026-00-01T00:00Z", "2026-02-29T00:00Z", "2026-10-15T24:00Z",
        "2026-10-15T00:60Z", "2026-10-15T00:00:61Z", "2026-10-15T00:00:00.Z",
        "2026-10-15T00:00:00,5Z", "2026-10-15T00:00+2", "2026-10-15T00:00+24:00",
        "2026-10-15T00:00ZZ", "26-10-15T00:00Z", "+2026-10-15T00:00Z"}) {
    INFO(text);
    CHECK_FALSE(parse_datetime(text));
  }
}

TEST_CASE("log_value: nothing that comes from mail can begin a new field or line") {
  struct Row {
    std::string_view text, shown;
  };
  const Row rows[] = {
      {"", "\"\""},
      {"ann@example.com", "ann@example.com"},
      {"two words", "\"two words\""},
      {"a=b", "\"a=b\""},
      {"say \"hi\"", "\"say \\\"hi\\\"\""},
      {"back\\slash", "\"back\\\\slash\""},
      {"a\r\nact=reject", "\"a\\x0d\\x0aact=reject\""},
      {"\x1b[31m", "\"\\x1b[31m\""},
      {"\x7f", "\"\\x7f\""},
      {"grüße", "grüße"},
      {"a\xC3", "\"a\\xc3\""},
      {"x\u202Ey", "\"x\\xe2\\x80\\xaey\""},
      {"\u2028", "\"\\xe2\\x80\\xa8\""},
      {"\u0085", "\"\\xc2\\x85\""},
      {"a\tb", "\"a\\x09b\""},
  };
  for (const Row& row : rows) CHECK(log_value(row.text) == row.shown);
  CHECK(log_value(std::string_view("a\0b", 3)) == "\"a\\x00b\"");
  CHECK(log_value(std::string(256, 'x')) == std::string(256, 'x'));
  CHECK(log_value(std::string(257, 'x')) == '"' + std::string(256, 'x') + "...\"");
  CHECK(log_value(std::string(255, 'x') + "ü!") == '"' + std::string(255, 'x') + "...\"");
}
