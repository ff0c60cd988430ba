#include "app/test_player.h"

#include <algorithm>
#include <array>
#include <memory>

#include "app/smtp_dialogue.h"
#include "base/text.h"
#include "engine/state_key.h"

namespace sluice::app {

namespace {

using policy::Value;
using policy::YamlEntry;
using policy::YamlNode;

constexpr std::string_view kStart =
    "2026-01-05T12:00:00Z";  // of tests that name no time: a Monday at noon

bool give_dns(GivenForSession& given, const YamlNode& node, std::string_view client_ip) {
  bool has_client_name = false;
  const auto client = IpAddress::parse(client_ip);
  for (const YamlEntry& entry : node.entries) {
    std::vector<std::string> values;
    if (entry.second.kind == YamlNode::Kind::Scalar) values.push_back(entry.second.scalar.text);
    for (const YamlNode& item : entry.second.items) values.push_back(item.scalar.text);
    if (const auto added = given.dns.add(entry.first.text, std::move(values)); !added)
      given.refuse(entry.first, added.error().what);
    const std::string_view key = entry.first.text;
    const std::string_view name = key.substr(0, key.find(' '));
    const bool is_pointer = key.size() > 4 && equal_folded(key.substr(key.size() - 4), " PTR");
    if (is_pointer && client &&
        (IpAddress::parse(name) == client || equal_folded(name, client->reverse_name())))
      has_client_name = true;
  }
  return has_client_name;
}

void give_lists(TestWorld& world, GivenForSession& given, const YamlNode& node) {
  for (const YamlEntry& entry : node.entries) {
    const auto& lists = world.program->dynamic_lists();
    const auto list = std::find_if(lists.begin(), lists.end(),
                                   [&](const auto& one) { return one.name == entry.first.text; });
    if (list == lists.end()) {
      given.refuse(entry.first, "the policy has no dynamic list `" + entry.first.text + "`");
      continue;
    }
    world.store.forget(backends::StateEntry::Kind::List, list->name);
    std::vector<backends::StateOp> ops;
    for (const YamlNode& item : entry.second.items) {
      const auto value = parse_given_value(list->element, item);
      const auto element = value ? engine::list_element(*value, list->element) : std::nullopt;
      if (!element) {
        given.refuse(item.scalar,
                     "`" + item.scalar.text + "` is no element of list `" + list->name + "`");
      } else {
        ops.emplace_back(
            backends::ListAdd{list->name, element->text, element->network, std::nullopt});
      }
    }
    if (!ops.empty()) world.store.submit(std::move(ops), [](const auto&) {});
  }
}

void give_fact(const TestWorld& world, GivenForSession& given, const YamlEntry& entry) {
  const std::string& name = entry.first.text;
  const policy::FactSignature* fact = find_signature(*world.program, name);
  if (fact == nullptr) return given.refuse(entry.first, "no fact is named `" + name + "`");
  const bool is_map =
      entry.second.kind == YamlNode::Kind::Map && fact->type.kind != policy::Kind::Record;
  if (!is_map) {
    const auto value = parse_given_value(fact->type, entry.second);
    return value ? given.facts.set(name, *value)
                 : given.refuse(entry.first, name + ": " + value.error().what);
  }
  for (const YamlEntry& one : entry.second.entries) {
    const auto value = parse_given_value(fact->type, one.second);
    value ? given.facts.set_for(name, one.first.text, *value)
          : given.refuse(one.first, name + ": " + value.error().what);
  }
}

bool names_spf_records(const YamlNode& dns) {
  return std::any_of(dns.entries.begin(), dns.entries.end(), [](const YamlEntry& entry) {
    const std::string_view key = entry.first.text;
    return key.size() > 4 && equal_folded(key.substr(key.size() - 4), " TXT");
  });
}

// --- one test ---

std::string with_number(std::string text, int n) {
  for (std::size_t at = text.find("{n}"); at != std::string::npos; at = text.find("{n}", at)) {
    const std::string number = std::to_string(n);
    text.replace(at, 3, number);
    at += number.size();
  }
  return text;
}

void count(const std::vector<engine::RuleTrace>& trace, Coverage& coverage) {
  for (const engine::RuleTrace& rule : trace) {
    RuleCoverage& seen = coverage[rule.rule];
    if (rule.result == 'T' || rule.result == 's') ++seen.matched;
    if (rule.result == 'F') ++seen.not_matched;
    if (rule.result == '?') ++seen.unknown;
    if (rule.result == 'x') ++seen.exempted;
  }
}

class TestRun {
 public:
  TestRun(policy::ProgramPtr program, const PolicyTest& test, const std::string& folder,
          DialogueSource& dialogues, Coverage& coverage)
      : world_(std::move(program)),
        test_(test),
        folder_(folder),
        dialogues_(dialogues),
        coverage_(coverage) {}

  TestOutcome play() {
    start_ = *parse_datetime(kStart);
    if (!test_.sessions.empty() && test_.sessions.front().time)
      start_ = *test_.sessions.front().time;
    world_.clock.set(start_);
    for (std::size_t i = 0; i < test_.sessions.size() && goes_on(); ++i)
      play_session(test_.sessions[i], i);
    return std::move(outcome_);
  }

 private:
  void play_session(const TestSession& session, std::size_t index) {
    const TimePoint at = session.time     ? *session.time
                         : session.offset ? start_ + *session.offset
                                          : world_.clock.now();
    if (session.store_is_down) world_.switched.take_away(*session.store_is_down);
    for (int turn = 1; turn <= session.repeat && goes_on(); ++turn) {
      const TimePoint time = at + session.every * (turn - 1);
      if (time < world_.clock.now()) {
        outcome_.broken = "session " + std::to_string(index + 1) +
                          " begins before the one in front of it has ended";
        return;
      }
      world_.clock.set(time);
      std::string name =
          session.name.empty() ? "session " + std::to_string(index + 1) : session.name;
      if (session.repeat > 1) name += ", turn " + std::to_string(turn);
      play_turn(session, name, turn);
    }
  }

  void play_turn(const TestSession& session, const std::string& name, int turn) {
    GivenForSession given;
    bool has_ptr = false, checks_mail = false;
    for (const YamlEntry& entry : session.given) {
      if (entry.first.text == "dns") {
        has_ptr = give_dns(given, entry.second, session.client.ip) || has_ptr;
        checks_mail = checks_mail || names_spf_records(entry.second);
      } else if (entry.first.text == "lists") {
        give_lists(world_, given, entry.second);
      } else {
        give_fact(world_, given, entry);
      }
    }
    give_client(session.client, given);
    give_defaults(given.facts, *world_.program, checks_mail);
    if (!given.wrong.empty()) {
      outcome_.broken = given.wrong;
      return;
    }
    world_.services.dns = &given.dns;
    world_.services.given = &given.facts;
    const auto dialogue = dialogues_.begin(world_, given, session, folder_, has_ptr);
    if (!can_go_on(*dialogue)) return;
    for (const TestStep& step : session.steps) {
      for (int n = 1; n <= step.repeat; ++n) {
        const std::string command = with_number(step.command, step.repeat > 1 ? n : turn);
        play_step(*dialogue, session, step, command, name);
        if (!goes_on()) return;
      }
    }
  }

  static void give_client(const TestClient& client, GivenForSession& given) {
    if (!client.country.empty() && !given.facts.has("client.country"))
      given.facts.set("client.country", Value(client.country));
    if (!client.asn.empty() && !given.facts.has("client.asn")) {
      const auto number = parse_given_value(policy::Type::of(policy::Kind::Int), client.asn);
      if (number) given.facts.set("client.asn", *number);
    }
  }

  bool goes_on() const { return outcome_.passed() && outcome_.skipped.empty(); }
  bool can_go_on(const TestDialogue& dialogue) {
    outcome_.broken = dialogue.wrong();
    outcome_.skipped = dialogue.skipped();
    return goes_on();
  }

  void play_step(TestDialogue& dialogue, const TestSession& session, const TestStep& step,
                 const std::string& command, const std::string& name) {
    const StepOutcome got = dialogue.play(command);
    if (!dialogue.wrong().empty()) {
      outcome_.broken = dialogue.wrong();
      return;
    }
    if (got.record) count(got.record->trace, coverage_);
    const std::string wrong = mismatch(step.expected, got, session.shadow);
    if (wrong.empty()) return;
    outcome_.skipped = dialogue.skipped();
    if (!outcome_.skipped.empty()) return;
    StepFailure failure;
    if (step.span.file)
      failure.place = step.span.file->name() + ":" + std::to_string(step.span.line);
    failure.session = name;
    failure.command = command;
    failure.expected = wrong;
    failure.got = describe(got, session.shadow);
    if (got.record) failure.trace = got.record->trace;
    outcome_.failures.push_back(std::move(failure));
  }

  TestWorld world_;
  const PolicyTest& test_;
  const std::string& folder_;
  DialogueSource& dialogues_;
  Coverage& coverage_;
  TimePoint start_{};
  TestOutcome outcome_;
};

}  // namespace

TestOutcome play_test(const policy::ProgramPtr& program, const PolicyTest& test,
                      const std::string& folder, DialogueSource& dialogues, Coverage& coverage) {
  return TestRun(program, test, folder, dialogues, coverage).play();
}

}  // namespace sluice::app
