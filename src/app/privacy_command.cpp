#include "app/privacy_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/control_arguments.h"
#include "app/service.h"
#include "base/text.h"
#include "engine/state_key.h"

namespace sluice::app {
namespace {

using backends::StateEntry;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMostEntries = 100'000;
constexpr StateEntry::Kind kKinds[] = {StateEntry::Kind::Limit, StateEntry::Kind::Greylist,
                                       StateEntry::Kind::List, StateEntry::Kind::Seen};
constexpr const char* kKindNames[] = {"limits", "greylist", "lists", "values seen"};

// "<Ann@Far.example>" as somebody may copy it.
std::string bare(const std::string& given) {
  std::string_view text = trim(given);
  if (!text.empty() && text.front() == '<') text.remove_prefix(1);
  if (!text.empty() && text.back() == '>') text.remove_suffix(1);
  return std::string(text);
}

// Keys whose only value is this address, of every rule: those of a store that keeps no names.
std::vector<std::pair<StateEntry::Kind, std::string>> keys_of(const policy::Program& program,
                                                              const std::string& address) {
  std::vector<std::pair<StateEntry::Kind, std::string>> keys;
  const policy::Value value{std::string(address)};
  for (const policy::Rule& rule : program.rules()) {
    const auto add = [&](StateEntry::Kind kind, const std::string& rule_key, policy::ExprId key) {
      const std::string part = engine::key_part(value, program.kind_of(key));
      keys.emplace_back(kind, engine::state_key(rule_key, std::vector<std::string>{part}));
    };
    if (rule.limit && rule.limit->key.size() == 1)
      add(StateEntry::Kind::Limit, rule.limit->state_key, rule.limit->key[0]);
    if (rule.greylist && rule.greylist->key.size() == 1 && rule.greylist->key[0] != policy::kNoExpr)
      add(StateEntry::Kind::Greylist, rule.greylist->state_key, rule.greylist->key[0]);
  }
  return keys;
}

struct Found {
  StateEntry::Kind kind;
  std::string key, name;
  bool operator<(const Found& other) const {
    return std::tie(kind, key, name) < std::tie(other.kind, other.key, other.name);
  }
};

std::set<Found> find_state(const StatePlaces& places, const std::string& address) {
  std::set<Found> found;
  for (const StateEntry::Kind kind : kKinds) {
    backends::StateQuery query;
    query.kind = kind;
    query.filter = address;
    query.limit = kMostEntries;
    for (const std::string& spelling : std::set<std::string>{address, fold(address)}) {
      query.filter = spelling;
      for (const StateEntry& entry : places.store.show(query)) {
        if (mentions_address(entry.name, address) || mentions_address(entry.key, address))
          found.insert({kind, entry.key, entry.name});
      }
    }
  }
  for (const auto& [kind, key] : keys_of(*places.program, address)) {
    backends::StateQuery query;
    query.kind = kind;
    query.filter = key;
    for (const StateEntry& entry : places.store.show(query))
      if (entry.key == key) found.insert({kind, entry.key, entry.name});
  }
  return found;
}

// By whole keys: a part of a name could be somebody else's too.
void erase_state(const StatePlaces& places, const std::set<Found>& found) {
  std::vector<backends::StateOp> removals;
  for (const Found& entry : found) {
    if (entry.kind == StateEntry::Kind::List) {
      removals.emplace_back(backends::ListRemove{entry.key, entry.name});
    } else {
      places.store.forget(entry.kind, entry.key);
    }
  }
  if (!removals.empty())
    places.store.submit(std::move(removals), [](const std::vector<backends::StateAnswer>&) {});
  places.ledger.forget_denials();
}

Result<std::size_t> in_history(History* history, const std::string& address, bool erase) {
  if (history == nullptr) return std::size_t{0};
  history->flush(Duration{2'000});
  std::string other = history->redaction().addresses(address);
  if (other == address || other.front() == '@') other.clear();  // a domain is nobody's name
  return history->read([&](HistoryFile& file) {
    return erase ? file.erase(address, other) : file.mentions(address, other);
  });
}

}  // namespace

ControlReply privacy_command(const PrivacyPlaces& places, const json& arguments) {
  const std::string address = bare(text_of(arguments, "ADDRESS"));
  const bool erase = text_of(arguments, "action") == "erase";
  if (address.find('@') == std::string::npos || address.size() > 320)
    return usage("`" + log_value(address) + "` is no mail address");
  const auto decisions = in_history(places.history, address, erase);
  if (!decisions)
    return refusal(kTemporary, "the history cannot be read: " + decisions.error().what);
  const std::set<Found> found = find_state(places.state, address);
  if (erase) erase_state(places.state, found);

  ControlReply reply;
  const char* did = erase ? "erased" : "found";
  ordered_json out{{"address", address}, {"decisions", *decisions}};
  out["entries"] = ordered_json::array();
  reply.text = fmt::format("{:<12} {} {}\n", "history", *decisions, did);
  for (const StateEntry::Kind kind : kKinds) {
    const auto n = std::count_if(found.begin(), found.end(),
                                 [kind](const Found& entry) { return entry.kind == kind; });
    reply.text += fmt::format("{:<12} {} {}\n", kKindNames[static_cast<int>(kind)], n, did);
  }
  for (const Found& entry : found) {
    reply.text += "  " + log_value(entry.name.empty() ? entry.key : entry.name) + "\n";
    out["entries"].push_back({{"kind", kKindNames[static_cast<int>(entry.kind)]},
                              {"name", entry.name}, {"key", entry.key}});
  }
  reply.text += "The decision log and the MTA's log are not searched: they go when they are rotated.\n";
  reply.json = dump(out);
  return reply;
}

}  // namespace sluice::app
