#include "app/replay_facts.h"

#include "facts/fact.h"

namespace sluice::app {

using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

ReplayFacts::ReplayFacts() : unknown_(Unknown{UnknownReason::Unsupported}) {
  for (const facts::Fact& fact : facts::all_facts()) {
    const policy::FactSignature& signature = fact.signature;
    const bool is_content = signature.available_from == mail::Stage::Headers ||
                            signature.available_from == mail::Stage::End;
    if (signature.name.substr(0, 5) == "helo.") groups_[signature.name] = Group::Helo;
    if (signature.name.substr(0, 4) == "tls.") groups_[signature.name] = Group::Tls;
    if (is_content) groups_[signature.name] = Group::Content;
  }
  groups_["header"] = Group::Content;  // header("X")
  groups_["msg.size"] = Group::Size;
}

void ReplayFacts::set(const ReplayEvent& event) {
  has_helo_ = event.helo.has_value();
  has_tls_ = event.tls.has_value();
  has_content_ = event.has_content;
  size_ = event.size ? Value(*event.size) : unknown_;
}

const Value* ReplayFacts::find(const std::string& fact, const mail::Recipient*) {
  const auto found = groups_.find(fact);
  if (found == groups_.end()) return nullptr;
  switch (found->second) {
    case Group::Helo:
      return has_helo_ ? nullptr : &unknown_;
    case Group::Tls:
      return has_tls_ ? nullptr : &unknown_;
    case Group::Content:
      return has_content_ ? nullptr : &unknown_;
    case Group::Size:
      return has_content_ ? nullptr : &size_;
  }
  return nullptr;
}

}  // namespace sluice::app
