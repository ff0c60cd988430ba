#include "app/state_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/control_arguments.h"
#include "app/given_facts.h"
#include "app/greylist_pass.h"
#include "app/service.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/state_key.h"

namespace sluice::app {
namespace {

using backends::StateEntry;
using backends::StateQuery;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::chrono::seconds kLongestStoreWait{10};
constexpr std::size_t kDefaultShown = 100, kMostShown = 100'000;
constexpr std::size_t kMaxListValue = 1'000;  // octets
constexpr std::size_t kMostAllowed = 1'000;   // greylist entries of one command

StateQuery query(StateEntry::Kind kind, const json& arguments) {
  StateQuery query;
  query.kind = kind;
  query.filter = text_of(arguments, "filter");
  const auto top = number(text_of(arguments, "top"));
  query.limit = top && *top > 0 ? static_cast<std::size_t>(*top) : kDefaultShown;
  return query;
}

std::string left(TimePoint until, TimePoint now) {
  if (until == TimePoint{}) return "for good";
  return render_duration(
      std::chrono::duration_cast<std::chrono::seconds>(std::max(Duration{0}, until - now)));
}

ordered_json to_json(const StateEntry& e, StateEntry::Kind kind) {
  ordered_json row{{"name", e.name},
                   {"used", e.used},
                   {"reserved", e.reserved},
                   {"period", e.period.count() > 0 ? render_duration(e.period) : ""},
                   {"state", e.state},
                   {"first", e.first == TimePoint{} ? "" : render_datetime(e.first)},
                   {"expires", e.expires == TimePoint{} ? "" : render_datetime(e.expires)}};
  if (kind == StateEntry::Kind::List) row["list"] = e.key;
  return row;
}

// Name as it is kept; where names are switched off the key's hash has to do.
const std::string& shown_name(const StateEntry& entry) {
  return entry.name.empty() ? entry.key : entry.name;
}

struct Table {
  std::string header;
  std::string (*row)(const StateEntry& entry, TimePoint now);
};

// A store of several servers may have reached some of them only: it counts that as errors. Those of
// sessions count too, so it can be said too often, never too seldom.
class Reach {
 public:
  explicit Reach(const backends::StateStore& store)
      : store_(store), errors_(store.health().errors) {}
  ControlReply told(ControlReply reply) const {
    const backends::StateHealth now = store_.health();
    if (now.available && now.errors == errors_) return reply;
    return {kTemporary, reply.text + "perhaps not all: " + now.what + "\n", reply.json};
  }

 private:
  const backends::StateStore& store_;
  std::uint64_t errors_;
};

ControlReply show(const StatePlaces& places, const json& arguments, const StateQuery& query,
                  const Table& table) {
  const std::string text = text_of(arguments, "top");
  const auto top = number(text);
  if (!text.empty() && (!top || *top < 1 || *top > static_cast<std::int64_t>(kMostShown)))
    return usage(fmt::format("--top `{}` is no number from 1 to {}", text, kMostShown));
  const Reach reach(places.store);
  const auto entries = places.store.show(query);
  ControlReply reply;
  ordered_json list = ordered_json::array();
  reply.text = entries.empty() ? "nothing there\n" : table.header + "\n";
  for (const StateEntry& entry : entries) {
    reply.text += table.row(entry, places.now) + "\n";
    list.push_back(to_json(entry, query.kind));
  }
  reply.json = dump(list);
  return reach.told(std::move(reply));
}

const Table kLimits{fmt::format("{:<60} {:>8} {:>9} {:>8} {:>10}", "LIMIT AND KEY", "USED",
                                "RESERVED", "PERIOD", "FORGOTTEN"),
                    [](const StateEntry& e, TimePoint now) {
                      return fmt::format("{:<60} {:>8} {:>9} {:>8} {:>10}",
                                         log_value(shown_name(e)), e.used, e.reserved,
                                         render_duration(e.period), left(e.expires, now));
                    }};
const Table kGreylist{fmt::format("{:<80} {:<12} {:>10}", "GREYLIST AND KEY", "STATE", "FORGOTTEN"),
                      [](const StateEntry& e, TimePoint now) {
                        return fmt::format("{:<80} {:<12} {:>10}", log_value(shown_name(e)),
                                           e.state, left(e.expires, now));
                      }};
const Table kLists{fmt::format("{:<24} {:<50} {:>10}", "LIST", "VALUE", "LEFT"),
                   [](const StateEntry& e, TimePoint now) {
                     return fmt::format("{:<24} {:<50} {:>10}", log_value(e.key), log_value(e.name),
                                        left(e.expires, now));
                   }};

ControlReply forget(const StatePlaces& places, StateEntry::Kind kind, const json& arguments) {
  const std::string filter = text_of(arguments, "FILTER");
  if (filter.empty()) return usage("name what to forget, a part of the name that `show` prints");
  const Reach reach(places.store);
  const std::size_t count = places.store.forget(kind, filter);
  places.ledger.forget_denials();
  return reach.told(
      {kOk, std::to_string(count) + (count == 1 ? " entry" : " entries") + " forgotten\n",
       json{{"forgotten", count}}.dump()});
}

ControlReply grant(const StatePlaces& places, const json& arguments) {
  const auto n = number(text_of(arguments, "N"));
  const std::string text = text_of(arguments, "for");
  const auto keep = parse_duration(text.empty() ? "1h" : text);
  if (!n || *n < 1) return usage("N is how many more may pass");
  if (!keep || *keep <= Duration{0}) return usage("--for `" + text + "` is no duration; write 1h");
  const Reach reach(places.store);
  const std::size_t count = places.store.grant(text_of(arguments, "FILTER"), *n, *keep);
  places.ledger.forget_denials();
  if (count == 0)
    return reach.told(refusal(kNoInput, "no limit of that name has counted anything yet"));
  return reach.told(
      {kOk,
       fmt::format("{} more for {} {}, for {}\n", *n, count, count == 1 ? "counter" : "counters",
                   render_duration(*keep)),
       json{{"granted", count}}.dump()});
}

// The list and the value typed as the list is.
struct Element {
  const policy::DynamicList* list = nullptr;
  engine::ListElement element;
};

bool is_list_value(const std::string& text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  return !text.empty() && text.size() <= kMaxListValue && is_utf8(text) &&
         std::none_of(text.begin(), text.end(), is_control);
}

Result<Element> find_element(const StatePlaces& places, const json& arguments) {
  Element found;
  const std::string name = text_of(arguments, "LIST"), value = text_of(arguments, "VALUE");
  for (const policy::DynamicList& list : places.program->dynamic_lists())
    if (list.name == name) found.list = &list;
  if (found.list == nullptr) return permanent("the policy has no dynamic list `" + name + "`");
  if (!is_list_value(value))
    return permanent(fmt::format("VALUE is text of 1 to {} octets without controls", kMaxListValue));
  auto typed = parse_given_value(found.list->element, value);
  if (!typed) return permanent(typed.error().what);
  auto element = engine::list_element(*typed, found.list->element);
  if (!element) return permanent("`" + value + "` is no value for list `" + name + "`");
  found.element = std::move(*element);
  return found;
}

// Waits for the store; false: it is away.
bool is_done(backends::StateStore& store, backends::StateOp op) {
  auto answered = std::make_shared<std::promise<bool>>();
  auto available = answered->get_future();
  store.submit({std::move(op)}, [answered](const std::vector<backends::StateAnswer>& answers) {
    answered->set_value(answers.at(0).available);
  });
  return available.wait_for(kLongestStoreWait) == std::future_status::ready && available.get();
}

// The network of an element that is an address or one.
std::optional<Network> network_of(const engine::ListElement& element) {
  if (element.network || !element.address) return element.network;
  return Network(*element.address, 128);
}

// A value that is not there is a mistake of typing, which matters: a login stays locked. Nor does it
// help to remove an address from a list that has its network.
std::string why_not_there(const StatePlaces& places, const Element& found) {
  StateQuery all;
  all.kind = StateEntry::Kind::List;
  all.limit = kMostShown;
  std::string around;
  const auto wanted = network_of(found.element);
  for (const StateEntry& entry : places.store.show(all)) {
    if (entry.key != found.list->name) continue;
    if (entry.name == found.element.text) return {};
    const auto network = Network::parse(entry.name);
    if (wanted && network && network->contains(*wanted))
      around += (around.empty() ? "" : ", ") + entry.name;
  }
  return found.element.text + " is not in " + found.list->name +
         (around.empty() ? "" : ", but " + around + " is");
}

ControlReply change_list(const StatePlaces& places, const json& arguments, bool add) {
  auto found = find_element(places, arguments);
  if (!found) return usage(found.error().what);
  const std::string text = text_of(arguments, "for");
  const auto keep = parse_duration(text);
  if (!text.empty() && (!keep || *keep <= Duration{0}))
    return usage("--for `" + text + "` is no duration; write 24h");
  backends::StateOp op = backends::ListRemove{found->list->name, found->element.text};
  const Reach reach(places.store);
  if (const std::string why = add ? "" : why_not_there(places, *found); !why.empty())
    return reach.told(refusal(kNoInput, why));
  if (add)
    op = backends::ListAdd{found->list->name, found->element.text, network_of(found->element), keep};
  if (!is_done(places.store, std::move(op))) return refusal(kTemporary, "the store is away");
  return {kOk,
          found->element.text + (add ? " added to " : " removed from ") + found->list->name + "\n",
          dump({{"list", found->list->name}, {add ? "added" : "removed", found->element.text}})};
}

// What `greylist allow` means: the entry of that name, also one that was never seen; else those that
// have it in their names. Error{Config}: neither, and why.
Result<std::vector<backends::GreylistPromote>> find_passes(const StatePlaces& places,
                                                           const std::string& key) {
  auto exact = pass_of(*places.program, key);
  if (exact) return std::vector<backends::GreylistPromote>{std::move(*exact)};
  std::vector<backends::GreylistPromote> passes;
  StateQuery those;
  those.kind = StateEntry::Kind::Greylist;
  those.filter = key;
  those.limit = kMostAllowed + 1;
  for (const StateEntry& entry : places.store.show(those)) {
    auto pass = pass_of(*places.program, entry.name);
    if (pass && pass->name == entry.name) passes.push_back(std::move(*pass));
  }
  if (passes.empty())
    return config_error("no greylist entry has `" + log_value(key) + "` in its name; " +
                        exact.error().what);
  if (passes.size() > kMostAllowed)
    return config_error(fmt::format("more than {} entries have that in their names", kMostAllowed));
  return passes;
}

ControlReply allow(const StatePlaces& places, const json& arguments) {
  const std::string key = text_of(arguments, "KEY"), text = text_of(arguments, "for");
  if (key.empty()) return usage("name whom to let pass, as `greylist show` prints it");
  const auto keep = parse_duration(text);
  if (!text.empty() && (!keep || *keep <= Duration{0}))
    return usage("--for `" + text + "` is no duration; write 30d");
  const Reach reach(places.store);
  auto passes = find_passes(places, key);
  if (!passes) return reach.told(refusal(kNoInput, passes.error().what));
  ControlReply reply;
  ordered_json list = ordered_json::array();
  for (backends::GreylistPromote& pass : *passes) {
    if (keep) pass.remember = *keep;
    if (!is_done(places.store, pass))
      return refusal(kTemporary, reply.text + "the store is away: not all of them pass");
    const std::string how_long = render_duration(pass.remember);
    reply.text += log_value(pass.name) + " passes for " + how_long + "\n";
    list.push_back({{"name", pass.name}, {"for", how_long}});
  }
  reply.json = dump({{"allowed", list}});
  return reach.told(std::move(reply));
}

using Action = std::function<ControlReply(const StatePlaces&, const json&)>;
using Actions = std::map<std::string, Action>;

ControlReply run_action(const Actions& actions, const StatePlaces& places, const json& arguments) {
  const auto action = actions.find(text_of(arguments, "action"));
  return action != actions.end() ? action->second(places, arguments)
                                 : usage("no action of that name");
}

}  // namespace

ControlReply limits_command(const StatePlaces& places, const json& arguments) {
  static const Actions kActions{
      {"show", [](const StatePlaces& p,
                  const json& a) { return show(p, a, query(StateEntry::Kind::Limit, a), kLimits); }},
      {"top",
       [](const StatePlaces& p, const json& a) {
         StateQuery q = query(StateEntry::Kind::Limit, a);
         q.most_used_first = true;
         return show(p, a, q, kLimits);
       }},
      {"reset",
       [](const StatePlaces& p, const json& a) { return forget(p, StateEntry::Kind::Limit, a); }},
      {"grant", grant}};
  return run_action(kActions, places, arguments);
}

ControlReply greylist_command(const StatePlaces& places, const json& arguments) {
  static const Actions kActions{{"show",
                                 [](const StatePlaces& p, const json& a) {
                                   return show(p, a, query(StateEntry::Kind::Greylist, a), kGreylist);
                                 }},
                                {"allow", allow},
                                {"forget", [](const StatePlaces& p, const json& a) {
                                   return forget(p, StateEntry::Kind::Greylist, a);
                                 }}};
  return run_action(kActions, places, arguments);
}

ControlReply list_command(const StatePlaces& places, const json& arguments) {
  static const Actions kActions{
      {"show", [](const StatePlaces& p,
                  const json& a) { return show(p, a, query(StateEntry::Kind::List, a), kLists); }},
      {"add", [](const StatePlaces& p, const json& a) { return change_list(p, a, true); }},
      {"remove", [](const StatePlaces& p, const json& a) { return change_list(p, a, false); }}};
  return run_action(kActions, places, arguments);
}

}  // namespace sluice::app
