#include "facts/deliverable.h"

#include "facts/make_fact.h"

namespace sluice::facts {

using backends::CalloutStatus;
using policy::UnknownReason;
using policy::Value;

namespace {

const policy::EnumWords kDeliverable{"deliverable",
                                     {"accepted", "refused", "temporary", "no_answer", "dropped"}};

Value unknown(UnknownReason reason) { return Value(policy::Unknown{reason}); }

UnknownReason reason_of(CalloutStatus status) {
  switch (status) {
    case CalloutStatus::ServFail:
      return UnknownReason::ServFail;
    case CalloutStatus::Timeout:
      return UnknownReason::Timeout;
    case CalloutStatus::Budget:
      return UnknownReason::Budget;
    case CalloutStatus::NotConfigured:
      return UnknownReason::Unsupported;
    default:
      return UnknownReason::Callout;
  }
}

}  // namespace

policy::Type deliverable_type() {
  policy::Type type = plain(policy::Kind::Enum);
  type.words = &kDeliverable;
  return type;
}

Outcome deliverable(FactContext& context, const ParsedPath& path) {
  if (!path.error.empty()) return unknown(UnknownReason::Malformed);
  if (path.is_null || path.domain.empty()) return unknown(UnknownReason::Argument);
  const backends::CalloutAnswer* answer = context.callout({path.local_part, path.domain});
  if (answer == nullptr) return std::nullopt;
  if (!is_known(answer->status)) return unknown(reason_of(answer->status));
  return Value(callout_status_name(answer->status));
}

}  // namespace sluice::facts
