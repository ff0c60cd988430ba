#include "backends/callout.h"

#include <array>

namespace sluice::backends {

std::string_view callout_status_name(CalloutStatus status) {
  static constexpr std::array<std::string_view, 10> kNames{
      "accepted",  "refused",  "temporary", "no_answer", "dropped",
      "undecided", "servfail", "timeout",   "budget",    "not configured"};
  return kNames[static_cast<std::size_t>(status)];
}

}  // namespace sluice::backends
