#include "policy/policy_source.h"

#include <catch2/catch.hpp>

#include "policy_files.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

const std::string kTop = "sluice: 1\npolicy: t\n";

std::string said(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics.all())
    out += d.code + " " + std::to_string(d.span.line) + ":" + std::to_string(d.span.column) + " " +
           d.message + "\n";
  return out;
}

// Diagnostics of a whole file, one a line.
std::string said_of(const std::string& text) {
  Diagnostics diagnostics;
  load_policy_text("t.yaml", text, diagnostics);
  return said(diagnostics);
}

std::string said_of_rule(const std::string& rule) { return said_of(kTop + "rules:\n" + rule); }

PolicySource loaded(const std::string& text) {
  Diagnostics diagnostics;
  PolicySource source = load_policy_text("t.yaml", text, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.all().empty());
  return source;
}

PolicySource loaded_from(const std::vector<std::string>& paths) {
  Diagnostics diagnostics;
  PolicySource source = load_policy(paths, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.all().empty());
  return source;
}

std::vector<std::string> names(const PolicySource& source) {
  std::vector<std::string> out;
  for (const RuleSource& rule : source.rules) out.push_back(rule.name);
  return out;
}

}  // namespace

TEST_CASE("policy source: every key of every kind of rule is read") {
  const PolicySource source = loaded(kTop + R"(
rules:
  - rule: r
    stage: mail
    when: [tls.active, spf.result == pass]
    unless: client.dynamic
    then:
      - add client.ip to $seen for 24h unless tls.active
      - delay 1s each max 20s
      - reject 550 5.7.1
    text: "no"
    tags: [a, b]
    mode: shadow
    enforce: 10%
    protected: true
    reply_at: stage
    on_unknown: defer 451 4.7.24
    on_error: defer
    description: why
    was: old
  - limit: l
    stage: rcpt
    key: [auth.user, rcpt.domain]
    count: distinct client.country
    max: $r[auth.user] ?? 10/1m, 20MB/1d
    charge: attempts
    count_exempt: true
    fallback: 25%
  - limit: b
    stage: end
    key: client.ip
    count: bytes
    bucket: {capacity: 20MB, refill: 1MB/1m}
  - greylist: g
    stage: rcpt
    key: client.net
    delay: 2m5s
    retry_within: 2d
    remember: 35d
    auto_allow: {key: client.net, after: 5, for: 35d}
    at: data
  - score: s
    stage: rcpt
    add: -4
  - exempt: e
    stage: connect
    from: [all, tag:t, kind:limit, 'spam-*']
    for: message
  - rule: each
    stage: end
    for_each: rcpt
    then: drop recipient
)");
  REQUIRE(source.rules.size() == 7);
  const RuleSource& r = source.rules[0];
  CHECK(r.stage == mail::Stage::Mail);
  CHECK(r.when.size() == 2);
  CHECK(r.unless.size() == 1);
  REQUIRE(r.then.size() == 3);
  CHECK(r.then[0].kind == ActionSource::Kind::AddToList);
  CHECK(r.then[0].list == "seen");
  CHECK(r.then[0].keep == std::chrono::hours(24));
  CHECK(r.then[0].condition_negated);
  CHECK(r.then[1].delay == std::chrono::seconds(1));
  CHECK(r.then[1].delay_each);
  CHECK(r.then[1].delay_max == std::chrono::seconds(20));
  CHECK(r.then[2].code == 550);
  CHECK(r.then[2].status->to_string() == "5.7.1");
  CHECK(r.text->text == "no");
  CHECK(r.tags == std::vector<std::string>{"a", "b"});
  CHECK(r.mode == Mode::Shadow);
  CHECK(r.enforce_percent == 10);
  CHECK(r.is_protected);
  CHECK(r.reply_at == ReplyAt::Stage);
  CHECK(r.on_unknown->what == OnUnknown::What::Defer);
  CHECK(r.on_unknown->code == 451);
  CHECK(r.on_error == OnError::Defer);
  CHECK(r.description == "why");
  CHECK(r.was == "old");
  const RuleSource& l = source.rules[1];
  CHECK(l.key.size() == 2);
  REQUIRE(l.distinct);
  CHECK(l.distinct->text == "client.country");
  REQUIRE(l.max.size() == 2);
  CHECK(render_expression(l.max[1]) == "20MB/1d");
  CHECK(l.charge_attempts == true);
  CHECK(l.count_exempt);
  CHECK(l.fallback_percent == 25);
  CHECK(source.rules[2].bucket->capacity_value == 20 << 20);
  CHECK(source.rules[2].bucket->refill_value.bytes);
  const RuleSource& g = source.rules[3];
  CHECK(g.delay == std::chrono::seconds(125));
  CHECK(g.remember == std::chrono::hours(35 * 24));
  CHECK(g.auto_allow->after == 5);
  CHECK(g.at_data);
  CHECK(source.rules[4].add->value == Value(-4));
  const RuleSource& e = source.rules[5];
  REQUIRE(e.from.size() == 4);
  CHECK(e.from[0].kind == SelectorSource::Kind::All);
  CHECK(e.from[1].text == "t");
  CHECK(e.from[2].kind == SelectorSource::Kind::RuleKind);
  CHECK(e.from[3].text == "spam-*");
  CHECK(e.scope == mail::Scope::Transaction);
  CHECK(source.rules[6].for_each_rcpt);
  CHECK(r.origin.at("mode").line == 15);
}

TEST_CASE("policy source: sections are read, and x- blocks are passed over") {
  const PolicySource source = loaded(kTop + R"(version: "2026.1"
timezone: Europe/Berlin
x-notes: &a {anything: [1, 2]}
defaults: {mode: shadow, on_unknown: defer 450, on_error: skip, reply_at: stage, reply_codes: rfc, help: "see {id}"}
lists:
  nets: {type: cidr, items: [127.0.0.0/8, "::1"]}
  pairs: {type: [address, domain], items: [[a@b.example, c.example]]}
  files: {type: domain, file: [a, b]}
  dyn: {type: text, dynamic: true}
tables:
  rates: {key: text, value: rate, items: {a: 1/1d, b: unlimited}}
  lists: {key: text, value: list of address, file: f}
dnsbl:
  zen: {zone: zen.example, of: client.ip, hit: 127.0.0.2-127.0.0.11, error: 127.255.255.0/24}
facts:
  crm.vip: {type: "bool?", args: [sender.address]}
  plain: {type: int, args: []}
recipients: {profile: '"normal"', split: never, mixed: strictest, order: [strict, normal]}
let:
  inside: auth.user is set or client.ip in $nets
tests: [{name: x, sessions: []}]
)");
  const FileSource& file = source.files.at(0);
  CHECK(file.policy == "t");
  CHECK(file.version == "2026.1");
  CHECK(file.mode == Mode::Shadow);
  CHECK(file.on_unknown.code == 450);
  CHECK(file.on_error == OnError::Skip);
  CHECK(file.reply_at == ReplyAt::Stage);
  CHECK(file.reply_codes == ReplyCodes::Rfc);
  CHECK(file.help->text == "see {id}");
  REQUIRE(source.lists.size() == 4);
  CHECK(source.lists[0].items.size() == 2);
  CHECK(source.lists[1].is_pair);
  CHECK(source.lists[1].types.size() == 2);
  CHECK(source.lists[2].paths.size() == 2);
  CHECK(source.lists[3].dynamic);
  REQUIRE(source.tables.size() == 2);
  CHECK(source.tables[0].items[1].second.scalar.text == "unlimited");
  CHECK(source.dnsbls.at(0).hit->text == "127.0.0.2-127.0.0.11");
  CHECK(source.facts.at(0).type.text == "bool?");
  CHECK(source.facts.at(1).args.empty());
  CHECK(source.recipients->order.size() == 2);
  CHECK(source.lets.at(0).name == "inside");
  CHECK(source.timezone->text == "Europe/Berlin");
  CHECK(source.tests.size() == 1);
}

TEST_CASE(
    "policy source: unknown keys get the nearest known one, keys of other kinds their owner") {
  CHECK(said_of_rule("  - rule: a\n    stage: mail\n    on_unkown: defer\n    then: discard\n") ==
        "E102 6:5 unknown key `on_unkown` in a rule; did you mean `on_unknown`?\n");
  CHECK(said_of_rule("  - rule: a\n    stage: mail\n    max: 1/1h\n    then: discard\n") ==
        "E102 6:5 `max` is not a key of a rule, only of a limit\n");
  CHECK(said_of_rule("  - score: a\n    stage: mail\n    add: 1\n    text: x\n") ==
        "E102 7:5 `text` is not a key of a score, only of a rule, a limit, a greylist\n");
  CHECK(said_of(kTop + "rulez: []\n") ==
        "E102 3:1 unknown key `rulez` in a policy file; did you mean `rules`?\n");
  CHECK(said_of(kTop + "lists: {a: {type: text, item: [x]}}\n") ==
        "E102 3:25 unknown key `item` in a list; did you mean `items`?\n"
        "E105 3:9 a list needs `items`, `file` or `dynamic: true`\n");
  CHECK(said_of(kTop + "facts: {a: {type: bool, http: x}}\n") ==
        "E102 3:25 `http` belongs to `facts` of the service configuration; here stand `type` and "
        "`args`\n");
}

TEST_CASE("policy source: missing keys, wrong values and wrong kinds of node are named") {
  CHECK(said_of("policy: t\n") ==
        "E105 1:1 a policy file needs `sluice`, the version of the language: `sluice: 1`\n");
  CHECK(said_of("sluice: 2\npolicy: t\n") ==
        "E106 1:9 this is no version of the language; known is `sluice: 1`\n");
  CHECK(said_of("[]") == "E106 1:1 a policy file begins with `sluice: 1`\n");
  CHECK(said_of_rule("  - rule: a\n") ==
        "E105 4:11 a rule needs `stage`\nE105 4:11 a rule needs `then`\n");
  CHECK(said_of_rule("  - limit: a\n    stage: mail\n    key: client.ip\n    count: messages\n") ==
        "E105 4:12 a limit needs `max` or `bucket`\n");
  CHECK(said_of_rule("  - exempt: a\n    stage: mail\n") ==
        "E105 4:13 an exemption needs `from`\n");
  CHECK(said_of_rule("  - stage: mail\n") ==
        "E105 4:5 an entry of `rules` needs `rule`, `limit`, `greylist`, `score` or `exempt` with "
        "its name\n");
  CHECK(said_of_rule("  - rule: a b\n") ==
        "E106 4:11 `a b` cannot name a rule: letters, digits, `.`, `_` and `-`, at most 100\n");
  CHECK(said_of_rule("  - rule: a\n    stage: mial\n    then: discard\n") ==
        "E106 5:12 `mial` is no value of `stage`; did you mean `mail`?\n");
  CHECK(
      said_of_rule("  - rule: a\n    stage: mail\n    then: discard\n    when:\n    mode: on\n") ==
      "E106 7:5 `when` has no value\nE106 8:11 `on` is no value of `mode`: `enforce`, `shadow` or "
      "`disabled`\n");
  CHECK(
      said_of_rule(
          "  - rule: a\n    stage: mail\n    then: discard\n    text: [a]\n    enforce: 101%\n") ==
      "E106 7:11 `text` takes a text, not a list\nE106 8:14 `101%` is not a share from 1% to "
      "100%\n");
  CHECK(said_of_rule("  - greylist: a\n    stage: rcpt\n    delay: 5\n") ==
        "E106 6:12 `5` is not a duration (5m, 2h, 35d)\n");
  CHECK(said_of_rule("  - exempt: a\n    stage: mail\n    from: [kind:rul]\n")
            .starts_with("E106 6:12 `kind:rul` selects nothing"));
  CHECK(said_of(kTop + "rules: x\n") == "E106 3:8 `rules` needs a list\n");
  CHECK(said_of_rule("  - limit: a\n    stage: mail\n    key: client.ip\n    count: message\n    "
                     "max: 1/1h\n") ==
        "E106 7:12 `message` is no value of `count`; did you mean `messages`?\n");
}

TEST_CASE("policy source: actions that the grammar does not know say what to write") {
  const auto action = [](const std::string& then) {
    const std::string all = said_of_rule("  - rule: a\n    stage: end\n    then: " + then + "\n");
    return all.substr(0, all.find('\n'));
  };
  CHECK(action("accept") ==
        "E401 6:11 there is no `accept`: use `exempt`, which says from what and for how long");
  CHECK(action("rejct 550") == "E401 6:11 unknown action `rejct`; did you mean `reject`?");
  CHECK(action("reject") == "E401 6:11 `reject` needs a reply code: `reject 550 5.7.1`");
  CHECK(action("reject 5xx") == "E401 6:18 a reply code has three digits: `reject 550 5.7.1`");
  CHECK(action("reject 550 no").starts_with("E401 6:22 this is no enhanced status code"));
  CHECK(action("reject 550 5.7.1 no").starts_with("E401 6:28 nothing may follow code and status"));
  CHECK(action("subject") == "E401 6:11 `subject` alone is no action: write `subject prefix`");
  CHECK(action("header X-A \"b\"") ==
        "E401 6:22 expected `=` behind the name of the header, found `\"b\"`");
  CHECK(action("'header \"X A\" = \"b\"'").starts_with("E401 6:19 a header's name has no blanks"));
  CHECK(action("add client.ip in $x") ==
        "E401 6:25 expected `to $list` behind the value, found `in`");
  CHECK(action("add client.ip to $x for ever") ==
        "E401 6:35 expected a duration (24h), found `ever`");
  CHECK(action("discard it") == "E401 6:19 expected the end of `discard`, found `it`");
  CHECK(action("log hello") == "E401 6:15 expected a text in double quotes, found `hello`");
  CHECK(action("[discard, log \"x\"]") == "E401 6:12 the action that decides stands last");
  CHECK(action("[discard, reject 550]") == "E401 6:21 only one action of a rule may decide");
  CHECK(action("add x.y z to $x") == "E401 6:19 expected `to $list` behind the value, found `z`");
  CHECK(action("add (x to $x") == "E201 6:18 expected `)`, found `to`");
}

TEST_CASE("policy source: all actions of the grammar are read, texts with their places") {
  const PolicySource source = loaded(kTop + R"(
rules:
  - rule: a
    stage: end
    then:
      - header X-A = "a {rule}"
      - insert header X-B = "b"
      - set header X-C = "c"
      - remove header X-D
      - subject prefix "[S] "
      - add recipient "x@example.com"
      - redirect to "y@example.com"
      - sender "z@example.com"
      - footer "line"
      - 'log "say \"it\" {id}"'
      - remove client.ip from $l
      - quarantine "why"
)");
  const auto& then = source.rules.at(0).then;
  REQUIRE(then.size() == 12);
  using Kind = ActionSource::Kind;
  const std::vector<Kind> kinds{Kind::Header,       Kind::InsertHeader,   Kind::SetHeader,
                                Kind::RemoveHeader, Kind::SubjectPrefix,  Kind::AddRecipient,
                                Kind::RedirectTo,   Kind::SetSender,      Kind::Footer,
                                Kind::Log,          Kind::RemoveFromList, Kind::Quarantine};
  for (std::size_t i = 0; i < kinds.size(); ++i) CHECK(then[i].kind == kinds[i]);
  CHECK(then[0].name == "X-A");
  CHECK(then[0].text->text == "a {rule}");
  const SourceSpan brace = then[0].text->span(3, 4);
  CHECK(brace.file->line(brace.line).substr(brace.column - 1, brace.length) == "rule");
  CHECK(then[9].text->text == "say \"it\" {id}");
  const SourceSpan id = then[9].text->span(10, 2);
  CHECK(id.file->line(id.line).substr(id.column - 1, id.length) == "id");
}

TEST_CASE("policy source: W103 tells a comment that cut a value from a remark") {
  const auto warned = [](const std::string& lines) {
    return said_of_rule("  - rule: a\n    stage: mail\n    then: discard\n" + lines);
  };
  CHECK(warned("    when: tls.active   # only encrypted mail\n") == "");
  CHECK(warned("    when: tls.active and #auth.user is set\n")
            .find("W103 7:26 a ` #` begins a comment") != std::string::npos);
  CHECK(warned("    when: tls.active # and client.dynamic\n").starts_with("W103 7:22"));
  CHECK(warned("    when: subject.text contains \" #1\"\n").find("E201") != std::string::npos);
  CHECK(warned("    when: subject.text contains \" #1\"\n").find("W103") != std::string::npos);
  CHECK(warned("    text: ticket # 5 is closed\n").starts_with("W103 7:18"));
  CHECK(warned("    text: \"ticket\" # note\n") == "");
}

TEST_CASE("policy source: rule names are unique in the bundle, list names in their file") {
  CHECK(said_of_rule("  - rule: a\n    stage: end\n    then: discard\n  - rule: a\n    stage: "
                     "end\n    then: discard\n") ==
        "E104 7:11 a rule named `a` stands in t.yaml:4 already\n");
  CHECK(said_of(kTop + "lists: {x: {type: text, items: []}}\ntables: {x: {key: text, value: int, "
                       "items: {}}}\n") ==
        "E104 4:10 a table is named `x` like the one in line 3\n");
}

TEST_CASE(
    "policy source: a folder is one bundle in name order; files of tests name the policy beside "
    "them") {
  const PolicyFolder folder;
  const std::string rule = "\n    stage: end\n    then: discard\n";
  folder.write("20.yaml", kTop + "rules:\n  - rule: second" + rule);
  const std::string first =
      folder.write("10.yaml", "sluice: 1\npolicy: main\nrules:\n  - rule: first" + rule +
                                  "tests: [{name: a}]\n");
  const std::string tests =
      folder.write("tests.yaml", "sluice: 1\npolicy: main\ntests: [{name: b}]\n");
  const std::string by_file =
      folder.write("more.yaml", "sluice: 1\npolicy: 10.yaml\ntests: [{name: b}]\n");
  folder.write("note.txt", "not a policy");
  const PolicySource all = loaded_from({folder.path()});
  CHECK(names(all) == std::vector<std::string>{"first", "second"});
  CHECK(all.tests.size() == 3);
  const PolicySource one = loaded_from({by_file});
  CHECK(names(one) == std::vector<std::string>{"first"});
  CHECK(one.tests.size() == 2);
  CHECK(loaded_from({tests, first}).tests.size() == 2);
  Diagnostics diagnostics;
  load_policy({tests}, diagnostics);
  CHECK(said(diagnostics) == "E703 2:9 no policy file `main` beside this file of tests\n");
  Diagnostics missing;
  load_policy({folder.path() + "/none.yaml"}, missing);
  CHECK(missing.all().at(0).code == "E703");
}

TEST_CASE(
    "policy source: included rules get the prefix of their bundle and stand behind the file's "
    "own") {
  const PolicyFolder folder;
  const std::string rule = "\n    stage: end\n    then: discard\n";
  folder.write("base.yaml",
               "sluice: 1\npolicy: base\nlists: {nets: {type: cidr, items: "
               "[10.0.0.0/8]}}\nrules:\n  - rule: one" +
                   rule +
                   "  - limit: two\n    stage: mail\n    key: client.ip\n    count: messages\n    "
                   "max: 1/1h\n"
                   "  - rule: three" +
                   rule + "tests: [{name: own}]\n");
  const std::string mine =
      "include: [base.yaml]\nlists:\n  base/nets: {extend: [192.0.2.0/24]}\nrules:\n  - rule: "
      "mine" +
      rule;
  const std::string main = folder.write("main.yaml", kTop + mine + R"(change:
  - {rule: base/one, mode: shadow}
  - rule: base/two
    set: {bucket: {capacity: 5, refill: 1/1m}, when: client.ip in $base/nets, text: slower}
  - {rule: base/three, remove: true}
)");
  const PolicySource source = loaded_from({main});
  CHECK(names(source) == std::vector<std::string>{"mine", "base/one", "base/two"});
  CHECK(source.rules[1].mode == Mode::Shadow);
  const RuleSource& two = source.rules[2];
  CHECK(two.bucket);
  CHECK(two.max.empty());
  CHECK(two.file == 1);
  CHECK(two.file_of("when") == 0);
  CHECK(two.file_of("key") == 1);
  CHECK(two.origin.at("text").file->name() == main);
  CHECK(source.lists.at(0).items.size() == 2);
  CHECK(source.files.at(1).prefix == "base/");
  CHECK(source.tests.empty());
  const std::string last = folder.write("last.yaml", kTop + "position: after\n" + mine);
  CHECK(names(loaded_from({last})) ==
        std::vector<std::string>{"base/one", "base/two", "base/three", "mine"});
}

TEST_CASE(
    "policy source: unknown overrides, cycles and missing includes are errors at their place") {
  const PolicyFolder folder;
  folder.write("base.yaml",
               "sluice: 1\npolicy: base\ninclude: main.yaml\nrules:\n  - rule: no-rdns\n    stage: "
               "end\n    then: discard\n");
  const auto said_with = [&](const std::string& rest) {
    Diagnostics diagnostics;
    load_policy({folder.write("main.yaml", kTop + rest)}, diagnostics);
    return said(diagnostics);
  };
  CHECK(said_with("include: [base.yaml]\n") ==
        "E702 3:10 files include each other: main.yaml -> base.yaml -> main.yaml\n");
  CHECK(said_with("include: [main.yaml]\n") ==
        "E702 3:11 files include each other: main.yaml -> main.yaml\n");
  CHECK(said_with("include: [gone.yaml]\n").starts_with("E703 3:11 cannot read "));
  folder.write("base.yaml",
               "sluice: 1\npolicy: base\nlists: {nets: {type: cidr, items: []}}\nrules:\n  - rule: "
               "no-rdns\n    stage: end\n    then: discard\n");
  CHECK(said_with("include: base.yaml\nchange: [{rule: base/no-rnds, remove: true}]\n") ==
        "E701 4:17 no rule is named `base/no-rnds`; did you mean `base/no-rdns`?\n");
  CHECK(said_with("include: base.yaml\nchange: [{rule: base/no-rdns}]\n") ==
        "E105 4:10 an entry of `change` needs `set`, `remove: true` or `mode`\n");
  CHECK(said_with("include: base.yaml\nchange: [{rule: base/no-rdns, set: {rule: x}}]\n")
            .starts_with("E102 4:37 unknown key `rule`"));
  CHECK(said_with("include: base.yaml\nlists: {base/net: {extend: []}}\n") ==
        "E701 4:9 no included list is named `base/net`; did you mean `base/nets`?\n");
  folder.write("other.yaml", "sluice: 1\npolicy: base\n");
  CHECK(said_with("include: [base.yaml, other.yaml, base.yaml]\n")
            .starts_with("E104 2:9 an included policy is named `base`"));
}

TEST_CASE("policy source: the summary counts rules, errors and warnings") {
  Diagnostics diagnostics;
  const PolicySource source = load_policy_text(
      "t.yaml", kTop + "rules: [{rule: a, stage: end, then: discard, x: y}]", diagnostics);
  CHECK(render_summary("t.yaml", source, diagnostics) == "t.yaml: 1 rule, 1 error, 0 warnings");
}

TEST_CASE("policy source: the scenarios load without a diagnostic of their form") {
  const auto scenarios = folder_of("SLUICE_SCENARIOS", "../shared/scenarios");
  if (scenarios.empty()) {
    WARN("skipped: no folder SLUICE_SCENARIOS");
    return;
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scenarios)) {
    if (entry.path().extension() != ".yaml") continue;
    const PolicySource source = loaded_from({entry.path().string()});
    CHECK(source.tests.size() == 1);
    CHECK_FALSE(source.rules.empty());
    ++files;
  }
  CHECK(files > 0);
}
