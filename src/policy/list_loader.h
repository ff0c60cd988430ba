// Loading of lists and tables: items in the policy and files beside it, with a diagnostic for every
// line that is not of the declared type.
//
// A file has one item a line; blank lines and what follows a `#` (at the beginning, or after a
// blank) are left out. Pairs are separated by blanks. In a table the key comes first, a key with
// blanks in double quotes; the rest of the line is the value, elements of a list separated by
// commas or blanks.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "policy/findings.h"
#include "policy/list_pool.h"
#include "policy/policy_source.h"

namespace sluice::policy {

inline constexpr std::size_t kMaxListFileBytes = 512u << 20;

struct LoadSettings {
  bool fold_local_part = true;
  ListPool* pool = nullptr;
  std::vector<std::string>* read_files = nullptr;  // paths are added
};

// Null when something was wrong; the diagnostics say what.
StaticListPtr load_list(const ListSource& source, const std::vector<Kind>& types,
                        const LoadSettings& settings, Findings& findings);
TablePtr load_table(const TableSource& source, Kind key, const Type& value,
                    const LoadSettings& settings, Findings& findings);

// "a domain", "an address or a network", for messages.
std::string_view kind_description(Kind kind);

}  // namespace sluice::policy
