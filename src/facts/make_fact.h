// Short forms for the tables of facts: what nearly every entry of a file has in common.
#pragma once
#include <utility>

#include "facts/fact.h"

namespace sluice::facts {

// One row of a table: name, type, description, how it is found out, what it costs.
struct FactRow {
  const char* name;
  policy::Type type;
  const char* description;
  Outcome (*resolve)(FactContext& context);
  const char* cost = "";
};

// The rows of one stage and scope as facts.
inline std::vector<Fact> make_facts(mail::Stage stage, mail::Scope scope,
                                    std::initializer_list<FactRow> rows) {
  std::vector<Fact> facts;
  for (const FactRow& row : rows) {
    Fact fact;
    fact.signature.name = row.name;
    fact.signature.type = row.type;
    fact.signature.available_from = stage;
    fact.signature.scope = scope;
    fact.signature.description = row.description;
    fact.signature.cost = row.cost;
    fact.signature.needs_headers = stage >= mail::Stage::Headers;
    fact.signature.needs_body = fact.signature.keeps_body = stage == mail::Stage::End;
    fact.resolve = row.resolve;
    facts.push_back(std::move(fact));
  }
  return facts;
}

// For facts that are found out while the body comes: the session keeps none of it for them.
inline std::vector<Fact> without_kept_body(std::vector<Fact> facts) {
  for (Fact& fact : facts) fact.signature.keeps_body = false;
  return facts;
}

inline policy::Type optional(policy::Kind kind) { return policy::Type::of(kind, true); }
inline policy::Type plain(policy::Kind kind) { return policy::Type::of(kind); }

// none for an empty text.
inline policy::Value text_or_none(std::string_view text) {
  return text.empty() ? policy::Value() : policy::Value(text);
}

}  // namespace sluice::facts
