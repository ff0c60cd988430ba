// rooms: facts
// DMARC records of hostile domains, and the names that a tree walk asks for.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "facts/dmarc_record.h"
#include "facts/organizational_domain.h"
#include "mail/domain.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::facts;
using fuzz::require;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  parse_dmarc_record(text);
  const auto record = parse_dmarc_record("v=DMARC1;" + std::string(text));
  require(record.has_value(), "the rest of a record never makes it another kind of record");
  if (!record->policy)
    require(!record->of_subdomains && !record->of_nonexistent, "no policy, none for others either");
  const auto broken = parse_dmarc_record("v=DMARC1; p=bogus;" + std::string(text));
  require(!broken->policy || *broken->policy == DmarcPolicy::None,
          "a broken policy is at most none");
  if (const auto domain = mail::to_ascii_domain(text)) {
    const auto names = tree_walk_names(*domain);
    require(!names.empty() && names.size() <= kMaxTreeWalk, "a walk has at most eight steps");
    for (const std::string& name : names) require(mail::is_under(*domain, name), "a walk goes up");
  }
  return 0;
}
