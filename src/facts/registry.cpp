#include <algorithm>
#include <unordered_map>

#include "facts/fact.h"

namespace sluice::facts {

#define FACTS(file) std::vector<Fact> file##_facts();
#include "facts/facts.def"
#undef FACTS

namespace {

std::vector<Fact> collect() {
  std::vector<Fact> all;
  const auto take = [&all](std::vector<Fact> group) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  };
#define FACTS(file) take(file##_facts());
#include "facts/facts.def"
#undef FACTS
  std::sort(all.begin(), all.end(),
            [](const Fact& a, const Fact& b) { return a.signature.name < b.signature.name; });
  return all;
}

std::vector<policy::FactSignature> signatures() {
  std::vector<policy::FactSignature> list;
  for (const Fact& fact : all_facts()) list.push_back(fact.signature);
  return list;
}

}  // namespace

const std::vector<Fact>& all_facts() {
  static const std::vector<Fact> facts = collect();
  return facts;
}

// Asked for each fact of each message.
const Fact* find_fact(std::string_view name) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, const Fact*> facts;
    for (const Fact& fact : all_facts()) facts.emplace(fact.signature.name, &fact);
    return facts;
  }();
  const auto at = by_name.find(name);
  return at != by_name.end() ? at->second : nullptr;
}

std::vector<std::pair<std::string, std::vector<Fact>>> facts_by_file() {
  return {
#define FACTS(file) {#file, file##_facts()},
#include "facts/facts.def"
#undef FACTS
  };
}

const policy::Vocabulary& built_in_vocabulary() {
  static const policy::Vocabulary vocabulary(signatures());
  return vocabulary;
}

policy::Unknown unknown_of(backends::DnsStatus status) {
  using backends::DnsStatus;
  if (status == DnsStatus::ServFail) return {policy::UnknownReason::ServFail};
  if (status == DnsStatus::Budget) return {policy::UnknownReason::Budget};
  if (status == DnsStatus::Breaker) return {policy::UnknownReason::Breaker};
  return {policy::UnknownReason::Timeout};
}

}  // namespace sluice::facts
