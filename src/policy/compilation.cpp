#include "policy/compilation.h"

#include <algorithm>

namespace sluice::policy {
namespace {

constexpr std::size_t kMaxPatternCharacters = 1000;
constexpr int kMaxPatternInstructions = 8192;     // of 8 octets: 64 KB
constexpr std::int64_t kPatternMemory = 1 << 20;  // program and the states kept while matching

bool is_backtracking(const re2::RE2& pattern) {
  const std::string& part = pattern.error_arg();
  if (pattern.error_code() == re2::RE2::ErrorBadEscape)
    return part.size() == 2 && part[1] >= '0' && part[1] <= '9';
  return part.starts_with("(?=") || part.starts_with("(?!") || part.starts_with("(?<");
}

// Why a pattern cannot be used; empty: it can.
std::string fault_of(const re2::RE2& pattern) {
  if (!pattern.ok())
    return is_backtracking(pattern) ? "backreferences and look-around are not supported (RE2)"
                                    : "not a regular expression: " + pattern.error();
  if (pattern.ProgramSize() > kMaxPatternInstructions)
    return "the regular expression is too large when compiled (64 KB)";
  return {};
}

}  // namespace

Compilation::Compilation(const PolicySource& policy, const Vocabulary& words,
                         const CompileOptions& settings, Code& target, Diagnostics& diagnostics)
    : source(policy),
      vocabulary(words),
      options(settings),
      findings(diagnostics),
      code(target),
      names(policy, words, settings, target, findings) {}

FactIndex Compilation::use(const FoundFact& fact, std::optional<mail::Stage> stage) {
  const auto [at, added] =
      fact_indices.emplace(fact.signature->name, static_cast<FactIndex>(facts.size()));
  if (added) facts.push_back({*fact.signature, fact.origin, fact.dnsbl, mail::Stage::End});
  UsedFact& used = facts[at->second];
  if (stage) used.first_used = std::min(used.first_used, *stage);
  return at->second;
}

namespace {
template <class Pointer, class Indices>
std::uint32_t index_of(const Pointer& item, std::vector<Pointer>& items, Indices& indices) {
  const auto [at, added] = indices.emplace(item.get(), static_cast<std::uint32_t>(items.size()));
  if (added) items.push_back(item);
  return at->second;
}
}  // namespace

std::uint32_t Compilation::use(const StaticListPtr& list) {
  return index_of(list, code.lists, list_indices);
}
std::uint32_t Compilation::use(const TablePtr& table) {
  return index_of(table, code.tables, table_indices);
}

std::uint32_t Compilation::use_string(const std::string& text) {
  const auto [at, added] =
      string_indices.emplace(text, static_cast<std::uint32_t>(code.strings.size()));
  if (added) code.strings.push_back(text);
  return at->second;
}

std::optional<std::uint32_t> Compilation::use_pattern(const std::string& pattern,
                                                      const std::string& flags,
                                                      const SourceSpan& span) {
  const std::string key = flags + "/" + pattern;
  if (const auto known = pattern_indices.find(key); known != pattern_indices.end())
    return known->second;
  SourceSpan at = span;
  at.length = 1;
  if (pattern.size() > kMaxPatternCharacters) {
    findings.error("E207", at,
                   "a regular expression has at most " + std::to_string(kMaxPatternCharacters) +
                       " characters");
    return std::nullopt;
  }
  re2::RE2::Options options_of_pattern;
  options_of_pattern.set_log_errors(false);
  options_of_pattern.set_max_mem(kPatternMemory);
  auto compiled = std::make_unique<const re2::RE2>(
      flags.empty() ? pattern : "(?" + flags + ")" + pattern, options_of_pattern);
  if (const std::string fault = fault_of(*compiled); !fault.empty()) {
    findings.error("E207", at, fault);
    return std::nullopt;
  }
  const auto index = static_cast<std::uint32_t>(code.patterns.size());
  code.patterns.push_back(std::move(compiled));
  pattern_indices.emplace(key, index);
  return index;
}

}  // namespace sluice::policy
