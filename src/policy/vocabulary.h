// Vocabulary: the facts a policy may name, with type, first stage and scope. `sluice facts`, the documents, completion
// and the type check read the same entries.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mail/stage.h"
#include "policy/type.h"

namespace sluice::policy {

struct FactSignature {
  std::string name;                    // "spf.result"
  Type type;
  mail::Stage available_from = mail::Stage::Connect;
  mail::Scope scope = mail::Scope::Connection;
  std::string description;             // one sentence for people
  std::string cost;                    // "", "1 DNS look-up", "the body", …
  bool needs_body = false;             // the front end must send the body
  bool keeps_body = false;             // the session must keep it; false: it is read while it comes
  bool needs_headers = false;
  std::vector<std::string> arguments;  // facts it is made from (declared facts)
};

// Index into Vocabulary::all(), stable for its lifetime.
using FactId = std::uint16_t;

class Vocabulary {
 public:
  explicit Vocabulary(std::vector<FactSignature> facts);
  const std::vector<FactSignature>& all() const { return facts_; }
  const FactSignature* find(std::string_view name) const;
  const FactSignature& at(FactId id) const { return facts_[id]; }
  FactId id_of(const FactSignature& fact) const { return static_cast<FactId>(&fact - facts_.data()); }

 private:
  std::vector<FactSignature> facts_;   // sorted by name
};

}  // namespace sluice::policy
