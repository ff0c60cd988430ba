// Policies with one to three words deleted, doubled or cut off behind: each loads, or gets a
// diagnostic that points into a file; never a crash. SLUICE_MUTATIONS tells how many (300),
// SLUICE_MUTATION_SEED where the sequence begins (1).
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "../unit/policy/language_vocabulary.h"
#include "policy/policy_source.h"
#include "policy/program.h"
#include "policy/show.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

namespace fs = std::filesystem;

unsigned long number_from(const char* variable, unsigned long usual) {
  const char* set = std::getenv(variable);
  return set ? std::strtoul(set, nullptr, 10) : usual;
}

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' ||
         c == '-';
}

// Words, single marks, and runs of blanks: joined they are the text again.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  for (const char c : text) {
    const bool word = is_word_byte(c), blank = c == ' ' || c == '\n';
    const bool joins = !tokens.empty() &&
                       ((word && is_word_byte(tokens.back().back())) ||
                        (blank && (tokens.back().back() == ' ' || tokens.back().back() == '\n')));
    if (joins)
      tokens.back() += c;
    else
      tokens.emplace_back(1, c);
  }
  return tokens;
}

std::string mutated(std::vector<std::string> tokens, std::mt19937& random) {
  const std::size_t changes = 1 + random() % 3;
  for (std::size_t i = 0; i < changes && !tokens.empty(); ++i) {
    const std::size_t at = random() % tokens.size();
    const auto token = tokens.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t kind = random() % 8;
    if (kind < 4)
      tokens.erase(token);
    else if (kind < 7)
      tokens.insert(token, tokens[at]);
    else
      tokens.erase(token + 1, tokens.end());
  }
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

// Without the tests at the end, which no loader looks into.
std::vector<std::vector<std::string>> originals() {
  std::vector<fs::path> paths;
  const char* set = std::getenv("SLUICE_SCENARIOS");
  for (const fs::path& folder :
       {set ? fs::path(set) : fs::path(SLUICE_SOURCE_DIR) / "../shared/scenarios",
        fs::path(SLUICE_SOURCE_DIR) / "policies",
        fs::path(SLUICE_SOURCE_DIR) / "tests/diagnostics"}) {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder, failed))
      if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
    if (failed) WARN("skipped: no folder " << folder.filename());
  }
  std::sort(paths.begin(), paths.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() < b.filename(); });
  std::vector<std::vector<std::string>> all;
  for (const fs::path& path : paths) {
    std::ifstream stream(path);
    const std::string text{std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>()};
    all.push_back(tokens_of(text.substr(0, text.find("\ntests:") + 1)));
  }
  return all;
}

}  // namespace

TEST_CASE("mutations: a damaged policy loads or is told where it is damaged") {
  const auto all = originals();
  REQUIRE_FALSE(all.empty());
  const unsigned long count = number_from("SLUICE_MUTATIONS", 300),
                      seed = number_from("SLUICE_MUTATION_SEED", 1);
  std::size_t refused = 0;
  for (unsigned long i = 0; i < count; ++i) {
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed + i));
    const std::string text = mutated(all[(seed + i) % all.size()], random);
    INFO("seed " << seed + i << "\n" << text);
    Diagnostics diagnostics;
    const PolicySource source = load_policy_text("mutated.yaml", text, diagnostics);
    const ProgramPtr program =
        compile(source, testing::language_vocabulary(), CompileOptions(), diagnostics);
    render_source(source);
    for (const Diagnostic& d : diagnostics.all()) {
      REQUIRE_FALSE(d.message.empty());
      REQUIRE(d.span.file);
      REQUIRE(d.span.line >= 1);
      REQUIRE(d.span.column >= 1);
      REQUIRE(d.span.line <= d.span.file->line_count() + 1);
    }
    REQUIRE((program != nullptr) == diagnostics.ok());
    refused += diagnostics.ok() ? 0 : 1;
  }
  WARN(count << " damaged policies: " << refused << " refused, " << count - refused << " loaded");
  CHECK(refused > 0);
  CHECK(refused < count);
}
