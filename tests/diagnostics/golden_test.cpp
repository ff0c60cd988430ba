// The whole text of the diagnostics of each *.yaml here is compared with the *.expected beside it.
// With SLUICE_UPDATE_DIAGNOSTICS=1 in the environment (build target update_diagnostics) the files
// are written anew instead: what changed is for review to read.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "../unit/policy/language_vocabulary.h"
#include "policy/policy_source.h"
#include "policy/program.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(SLUICE_SOURCE_DIR) / "tests/diagnostics";

// File names in diagnostics are as given: they are given relative to this folder.
class InFolder {
 public:
  explicit InFolder(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;
  ~InFolder() { fs::current_path(before_); }

 private:
  fs::path before_;
};

// What `sluice check NAME` prints.
std::string checked(const std::string& name) {
  Diagnostics diagnostics;
  const PolicySource source = load_policy({name}, diagnostics);
  compile(source, testing::language_vocabulary(), CompileOptions(), diagnostics);
  return diagnostics.render() + render_summary(name, source, diagnostics) + "\n";
}

std::string text_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<std::string> policies() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool updating() {
  const char* set = std::getenv("SLUICE_UPDATE_DIAGNOSTICS");
  return set && std::string(set) == "1";
}

void compare(const std::string& name, const std::string& text, const fs::path& expected) {
  if (updating()) std::ofstream(expected, std::ios::binary) << text;
  INFO(name);
  CHECK(text == text_of(expected));
}

}  // namespace

TEST_CASE("diagnostics: the text for each broken policy is the one that was reviewed") {
  const InFolder here(kFolder);
  const auto names = policies();
  REQUIRE_FALSE(names.empty());
  for (const std::string& name : names)
    compare(name, checked(name), kFolder / fs::path(name).replace_extension(".expected"));
}

TEST_CASE("diagnostics: every code of the language's catalogue is shown by a policy here") {
  std::string all;
  for (const auto& entry : fs::directory_iterator(kFolder))
    if (entry.path().extension() == ".expected") all += text_of(entry.path());
  const std::vector<std::string> codes{
      "E101", "E102", "W103", "E103", "E104", "E105", "E106", "E201", "E202", "E203",
      "E204", "E205", "E206", "E207", "E208", "E209", "E210", "E211", "E301", "E302",
      "E401", "E402", "E403", "E404", "E405", "E406", "E502", "W501", "W504", "W505",
      "E601", "E602", "W603", "E604", "E701", "E702", "E703", "W802", "W803", "W804"};
  for (const std::string& code : codes) {
    INFO(code);
    CHECK(all.find(" " + code + ": ") != std::string::npos);
  }
}

TEST_CASE("diagnostics: the broken example of the language is answered word for word") {
  const char* set = std::getenv("SLUICE_EXAMPLES");
  const fs::path folder = set ? fs::path(set) : fs::path(SLUICE_SOURCE_DIR) / "../shared/examples";
  if (!fs::exists(folder / "broken.yaml")) {
    WARN("skipped: no broken.yaml in SLUICE_EXAMPLES");
    return;
  }
  const InFolder there(folder);
  compare("broken.yaml", checked("broken.yaml"), kFolder / "example-broken.expected");
}
