#include "mail/verdict.h"

#include <array>

namespace sluice::mail {

std::string_view action_name(Action action) {
  constexpr std::array<std::string_view, 6> names{"continue",   "reject",  "defer",
                                                  "disconnect", "discard", "quarantine"};
  return names[static_cast<std::size_t>(action)];
}

}  // namespace sluice::mail
