#include "facts/public_suffix.h"

#include <libpsl.h>

#include <memory>

namespace sluice::facts {
namespace {

// Loaded once: the newest of the system's list and the one built into libpsl. Read only, so any
// thread may ask.
const psl_ctx_t* list() {
  static const std::unique_ptr<psl_ctx_t, decltype(&psl_free)> context(psl_latest(nullptr),
                                                                       &psl_free);
  return context ? context.get() : psl_builtin();
}

}  // namespace

bool is_public_suffix(std::string_view domain) {
  return list() != nullptr && psl_is_public_suffix(list(), std::string(domain).c_str()) == 1;
}

std::string registrable_domain(std::string_view domain) {
  const std::string name(domain);
  const char* found = list() != nullptr ? psl_registrable_domain(list(), name.c_str()) : nullptr;
  return found != nullptr ? std::string(found) : name;
}

}  // namespace sluice::facts
