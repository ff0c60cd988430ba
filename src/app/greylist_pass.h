// The greylist entry of a readable name, for `greylist allow`.
#pragma once
#include <string_view>

#include "backends/state_store.h"
#include "base/result.h"
#include "policy/program.h"

namespace sluice::app {

inline constexpr std::size_t kMaxEntryName = 4'096;  // octets

// "first-contact sender.address=ann@far.example rcpt.address=bob@example.com", as `greylist show`
// prints it, as the pass that a message of this key would have been given: the same key, name and
// `remember`. It counts for no auto_allow. Values may be written in any case; <> is the null
// sender. Error{Config}: the policy has no greylist of that name, or its key is another one, with
// its form.
Result<backends::GreylistPromote> pass_of(const policy::Program& program, std::string_view name);

}  // namespace sluice::app
