// rooms: facts
// SPF against the RFC 7208 suite of python3-spf and against published cases of other
// implementations.
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "spf_zone.h"

using namespace sluice;
using namespace sluice::facts;

namespace {

constexpr char kSuite[] = "/usr/share/doc/python3-spf/rfc7208-tests.yml.gz";
constexpr const char* kTypes[] = {"A", "AAAA", "MX", "PTR", "TXT", "CNAME", "NS"};

// default= is older than RFC 4408; since then it is an unknown modifier, which changes nothing (6).
const std::set<std::string> kOtherRules = {"default-modifier", "default-modifier-harsh"};

struct Case {
  std::string id, client, helo, sender;
  std::vector<std::string> results;
  std::optional<std::string> explanation;  // "DEFAULT": none of the domain's own
};

// One record as the suites write it: type and value, or a timeout of all types not given before.
struct Published {
  std::string type, value;
};
constexpr char kTimeout[] = "TIMEOUT";

// The suite's rules: SPF (type 99) stands for TXT where no TXT is given; "NONE" is a TXT that is
// not there.
void give_records(SpfZone& zone, const std::string& name, const std::vector<Published>& records) {
  std::map<std::string, std::vector<std::string>> by_type;
  std::set<std::string> timed_out;
  bool has_txt = false;
  for (const Published& r : records) has_txt = has_txt || r.type == "TXT";
  bool all_time_out = false;
  for (const Published& r : records) {
    const std::string type = r.type == "SPF" && !has_txt ? "TXT" : r.type;
    if (type == kTimeout) {
      all_time_out = true;
    } else if (r.value == kTimeout) {
      timed_out.insert(type);
    } else if (type != "SPF" && r.value != "NONE") {
      by_type[type].push_back(r.value);
    }
  }
  for (const char* const type : kTypes) {
    if (by_type.count(type) != 0) {
      zone.give(name, type, by_type[type]);
    } else if (all_time_out || timed_out.count(type) != 0) {
      zone.give(name, type, {"timeout"});
    } else if (by_type.count("CNAME") == 0 && std::string_view(type) != "CNAME") {
      zone.give(name, type, {});
    }
  }
}

std::string mx(const std::string& preference, const std::string& host) {
  return preference + " " + (host.empty() ? "." : host);
}

std::string value_of(const std::string& type, const YAML::Node& value) {
  if (!value.IsSequence()) return value.as<std::string>();
  if (type == "MX") return mx(value[0].as<std::string>(), value[1].as<std::string>());
  std::string joined;
  for (const auto& piece : value) joined += piece.as<std::string>();
  return joined;
}

std::string value_of(const std::string& type, const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (type == "MX")
    return mx(
        value[0].is_string() ? value[0].get<std::string>() : std::to_string(value[0].get<int>()),
        value[1].get<std::string>());
  std::string joined;
  for (const auto& piece : value) joined += piece.get<std::string>();
  return joined;
}

// How many of a scenario's cases came out as published; each failure is reported.
std::size_t check_cases(SpfZone& zone, const std::vector<Case>& cases) {
  std::size_t good = 0;
  for (const Case& c : cases) {
    const auto verdict = check_spf(spf_request(c.client, c.helo, c.sender), zone);
    REQUIRE(verdict);
    const std::string got(spf_result_name(verdict->result));
    bool as_published = std::find(c.results.begin(), c.results.end(), got) != c.results.end();
    if (c.explanation && verdict->result == SpfResult::Fail) {
      as_published = as_published &&
                     verdict->explanation == (*c.explanation == "DEFAULT" ? "" : *c.explanation);
    }
    INFO(c.id << ": got " << got << " '" << verdict->explanation << "' " << verdict->problem
              << ", expected " << c.results.front() << " '" << c.explanation.value_or("") << "'");
    CHECK(as_published);
    if (as_published) ++good;
  }
  return good;
}

std::vector<std::string> results_of(const YAML::Node& node) {
  if (node.IsSequence()) return node.as<std::vector<std::string>>();
  return {node.as<std::string>()};
}

std::string text_or_empty(const YAML::Node& node) {
  return node && !node.IsNull() ? node.as<std::string>() : "";
}

std::pair<std::size_t, std::size_t> check_scenario(const YAML::Node& scenario) {
  SpfZone zone;
  for (const auto& entry : scenario["zonedata"]) {
    std::vector<Published> records;
    for (const auto& record : entry.second) {
      if (!record.IsMap()) {
        records.push_back({record.as<std::string>(), ""});
        continue;
      }
      for (const auto& pair : record) {
        const auto type = pair.first.as<std::string>();
        records.push_back({type, value_of(type, pair.second)});
      }
    }
    give_records(zone, entry.first.as<std::string>(), records);
  }
  std::vector<Case> cases;
  for (const auto& entry : scenario["tests"]) {
    const YAML::Node& t = entry.second;
    Case c{entry.first.as<std::string>(), t["host"].as<std::string>(), text_or_empty(t["helo"]),
           text_or_empty(t["mailfrom"]),  results_of(t["result"]),     {}};
    if (t["explanation"]) c.explanation = t["explanation"].as<std::string>();
    cases.push_back(std::move(c));
  }
  return {check_cases(zone, cases), cases.size()};
}

std::string unpacked(const char* path) {
  std::FILE* const pipe = popen((std::string("gzip -dc ") + path).c_str(), "r");
  std::string text;
  char buffer[65536];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    text.append(buffer, n);
  pclose(pipe);
  return text;
}

std::string test_data(const std::string& file) {
  const char* const folder = std::getenv("SLUICE_TEST_DATA");
  return (folder != nullptr ? std::string(folder)
                            : std::string(SLUICE_SOURCE_DIR) + "/../shared/data") +
         "/spf/" + file;
}

void check_published(const std::string& file, std::size_t expected) {
  std::ifstream in(test_data(file));
  if (!in) {
    WARN("skipped: no test data " + file);
    return;
  }
  std::size_t good = 0, total = 0;
  for (const auto& scenario : nlohmann::json::parse(in)) {
    SpfZone zone;
    for (const auto& [name, list] : scenario["zone"].items()) {
      std::vector<Published> records;
      for (const auto& record : list) {
        if (record.is_string())
          records.push_back({record.get<std::string>(), ""});
        else
          records.push_back(
              {record[0].get<std::string>(), value_of(record[0].get<std::string>(), record[1])});
      }
      give_records(zone, name, records);
    }
    std::vector<Case> cases;
    for (const auto& t : scenario["tests"]) {
      Case c{t["id"].get<std::string>(),
             t["host"].get<std::string>(),
             t["helo"].get<std::string>(),
             t["mailfrom"].get<std::string>(),
             t["results"].get<std::vector<std::string>>(),
             {}};
      if (kOtherRules.count(c.id) != 0) c.results = {"neutral"};
      if (t["explanation"].is_string()) c.explanation = t["explanation"].get<std::string>();
      cases.push_back(std::move(c));
    }
    good += check_cases(zone, cases);
    total += cases.size();
  }
  std::printf("%s: %zu of %zu\n", file.c_str(), good, total);
  CHECK(total == expected);
  CHECK(good == total);
}

}  // namespace

TEST_CASE("spf: gives every result of the RFC 7208 suite") {
  if (access(kSuite, R_OK) != 0) {
    WARN("skipped: the suite of python3-spf is not installed");
    return;
  }
  std::size_t good = 0, total = 0;
  for (const auto& scenario : YAML::LoadAll(unpacked(kSuite))) {
    const auto [right, all] = check_scenario(scenario);
    good += right;
    total += all;
  }
  std::printf("RFC 7208 suite: %zu of %zu\n", good, total);
  CHECK(total == 203);
  CHECK(good == total);
}

TEST_CASE("spf: gives every result that stalwart expects") {
  check_published("stalwart.json", 150);
}
TEST_CASE("spf: judges odd records that were really published") {
  check_published("pyspf-extra.json", 16);
}
