// Compilation: what all parts of one compile() share. Private to policy/.
#pragma once
#include <map>

#include "policy/declarations.h"
#include "policy/findings.h"

namespace sluice::policy {

struct Compilation {
  const PolicySource& source;
  const Vocabulary& vocabulary;
  const CompileOptions& options;
  Findings findings;
  Code& code;
  Declarations names;
  std::vector<UsedFact> facts;
  std::map<std::string, FactIndex, std::less<>> fact_indices;
  std::map<std::string, std::uint32_t> pattern_indices;  // flags and pattern
  std::map<const StaticList*, std::uint32_t> list_indices;
  std::map<const Table*, std::uint32_t> table_indices;
  std::map<std::string, std::uint32_t> string_indices;
  std::map<FactIndex, SourceSpan> first_places;  // where each fact was named first
  bool needs_headers = false;                    // header(...) is used

  Compilation(const PolicySource& policy, const Vocabulary& words, const CompileOptions& settings,
              Code& target, Diagnostics& diagnostics);

  // Index of a fact in the program; notes the earliest stage at which it is named.
  FactIndex use(const FoundFact& fact, std::optional<mail::Stage> stage);
  std::uint32_t use(const StaticListPtr& list);
  std::uint32_t use(const TablePtr& table);
  std::uint32_t use_string(const std::string& text);
  // nullopt: E207 was reported at `span`.
  std::optional<std::uint32_t> use_pattern(const std::string& pattern, const std::string& flags,
                                           const SourceSpan& span);
};

}  // namespace sluice::policy
