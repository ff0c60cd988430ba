// The policies of real admins with their dialogues, all of them through `sluice test`.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "app/test_runner.h"

namespace {

std::string scenario_folder() {
  if (const char* folder = std::getenv("SLUICE_SCENARIOS")) return folder;
  return std::string(SLUICE_SOURCE_DIR) + "/../shared/scenarios";
}

std::vector<std::string> policies_in(const std::string& folder) {
  std::vector<std::string> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("scenarios: every policy passes its own dialogues") {
  const std::vector<std::string> files = policies_in(scenario_folder());
  if (files.empty()) {
    WARN("skipped: no scenarios in " << scenario_folder());
    return;
  }
  for (const std::string& file : files) {
    sluice::app::TestOptions options;
    options.files = {file};
    std::ostringstream out;
    const int status = sluice::app::run_tests(options, out);
    INFO(out.str());
    CHECK(status == 0);
  }
}

TEST_CASE("scenarios: the shipped policies and the dialogues of the language pass their tests") {
  for (const char* folder : {"/policies", "/tests/dialogues"}) {
    const std::vector<std::string> files = policies_in(std::string(SLUICE_SOURCE_DIR) + folder);
    REQUIRE_FALSE(files.empty());
    for (const std::string& file : files) {
      sluice::app::TestOptions options;
      options.files = {file};
      std::ostringstream out;
      const int status = sluice::app::run_tests(options, out);
      INFO(out.str());
      CHECK(status == 0);
    }
  }
}
