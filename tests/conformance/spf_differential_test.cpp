// rooms: facts
// Random SPF zones and senders: our verdict and explanation against python3-spf's (spf_oracle.py
// says where it is corrected). SPF_CASES and SPF_SEED in the environment ask for more, or for
// others.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "spf_zone.h"

using namespace sluice;
using namespace sluice::facts;

namespace {

constexpr char kPython[] = "/usr/bin/python3";

std::string value_of(const nlohmann::json& value) {
  if (value.is_string())
    return value.get<std::string>() == "TIMEOUT" ? "timeout" : value.get<std::string>();
  return std::to_string(value[0].get<int>()) + " " + value[1].get<std::string>();
}

void give_zone(SpfZone& zone, const nlohmann::json& names) {
  for (const auto& [name, records] : names.items()) {
    std::map<std::string, std::vector<std::string>> by_type;
    for (const auto& record : records)
      by_type[record[0].get<std::string>()].push_back(value_of(record[1]));
    for (auto& [type, values] : by_type) zone.give(name, type, std::move(values));
    if (by_type.empty()) zone.give(name, "TXT", {});
  }
}

bool agrees(const nlohmann::json& c) {
  SpfZone zone;
  give_zone(zone, c["zone"]);
  SpfRequest request = spf_request(c["client"], c["helo"], c["sender"]);
  request.now = TimePoint(std::chrono::seconds(1234567890));
  const auto verdict = check_spf(request, zone);
  REQUIRE(verdict);
  const bool same = spf_result_name(verdict->result) == c["result"].get<std::string>() &&
                    verdict->explanation == c["explanation"].get<std::string>();
  if (!same) {
    UNSCOPED_INFO(c.dump(1) << "\ngot " << spf_result_name(verdict->result) << " '"
                            << verdict->explanation << "' " << verdict->problem);
  }
  return same;
}

std::string setting(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// One line of any length; false at the end.
bool read_line(std::FILE* pipe, std::string& line) {
  line.clear();
  char buffer[65536];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
    line += buffer;
    if (line.back() == '\n') return true;
  }
  return !line.empty();
}

}  // namespace

TEST_CASE("spf: agrees with python3-spf on random zones") {
  if (std::system((std::string(kPython) + " -c 'import spf' 2>/dev/null").c_str()) != 0) {
    WARN("skipped: python3-spf is not installed");
    return;
  }
  const std::string count = setting("SPF_CASES", "2000"), seed = setting("SPF_SEED", "7208");
  const std::string command = std::string(kPython) + " " + SLUICE_SOURCE_DIR +
                              "/tests/conformance/spf_oracle.py " + count + " " + seed;
  std::FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string line;
  std::map<std::string, std::size_t> results;
  std::size_t cases = 0, explained = 0, differences = 0;
  while (read_line(pipe, line) && differences < 5) {
    const auto c = nlohmann::json::parse(line);
    ++cases;
    ++results[c["result"].get<std::string>()];
    if (!c["explanation"].get<std::string>().empty()) ++explained;
    const bool same = agrees(c);
    if (!same) ++differences;
    if (!same) CHECK(same);
  }
  pclose(pipe);
  std::printf("%zu cases, %zu explained:", cases, explained);
  for (const auto& [result, times] : results) std::printf(" %s %zu", result.c_str(), times);
  std::printf("\n");
  CHECK(differences == 0);
  CHECK((differences > 0 || cases == std::stoul(count)));
  CHECK(results.size() == 7);  // every result was met
}
