#include <catch2/catch.hpp>

#include "compiled.h"

using namespace sluice;
using namespace sluice::policy;
using namespace sluice::policy::testing;

namespace {

const std::string kDeclarations = R"yaml(lists:
  names: {type: domain, items: [example.com]}
  nets:  {type: cidr, items: [192.0.2.0/24]}
  words: {type: text, items: [a]}
  boxes: {type: address, items: [a@example.com]}
  pairs: {type: [cidr, domain], items: [[192.0.2.0/24, example.com]]}
  live:  {type: cidr, dynamic: true}
tables:
  rates: {key: text, value: rate, items: {a: 1/1m}}
  owner: {key: address, value: text, items: {a@example.com: x}}
  kinds: {key: text, value: "enum(good, bad)", items: {a: good}}
let:
  logged_in: auth.user is set
  late:      spam.score > 5
)yaml";

struct Wrong {
  const char* stage;
  const char* when;
  const char* said;  // code and message
};

std::string first_said(const Compiled& compiled) {
  if (compiled.diagnostics.all().empty()) return "nothing";
  const Diagnostic& d = compiled.diagnostics.all().front();
  return d.code + ": " + d.message;
}

}  // namespace

TEST_CASE("type check: what cannot be meant is said in one sentence") {
  const Wrong cases[] = {
      {"mail", "sender.domian == \"x.example\"",
       "E202: unknown fact `sender.domian`; did you mean `sender.domain`?"},
      {"end", "file.ext == \"exe\"",
       "E202: `file.ext` belongs to an element: write any(attachments, ...)"},
      {"end", "item == \"exe\"",
       "E202: `item` is an element: it stands inside any(...), all(...) or count(...) of a list"},
      {"end", "any(attachments, file.xet == \"a\")",
       "E202: unknown fact `file.xet`; did you mean `file.ext`?"},
      {"mail", "mail.size",
       "E203: `mail.size` is size?, expected a condition (bool): compare it with something"},
      {"mail", "tls.active and auth.user",
       "E203: `auth.user` is text?, expected a condition (bool): compare it with something"},
      {"end", "msg.size == subject.text", "E203: cannot compare size with text"},
      {"mail", "sender.domain == sender.address", "E203: cannot compare domain? with address?"},
      {"end", "dkim.domains == \"x\"",
       "E203: cannot compare list of domain with text: write `in` or any(...)"},
      {"mail", "sender.domain == \"not a domain\"", "E203: `not a domain` is not a domain"},
      {"connect", "client.ip == \"here\"", "E203: `here` is not an IP address"},
      {"connect", "client.ip in $words", "E209: ip in list of text: can never match"},
      {"mail", "sender.domain in $boxes", "E209: domain in list of address: can never match"},
      {"connect", "client.ip == client.net",
       "E210: an address never equals a network: write `client.ip in [...]`"},
      {"connect", "client.ip in $nosuch", "E204: unknown list `$nosuch`"},
      {"mail", "$rtes[auth.user] is set", "E204: unknown table `$rtes`; did you mean `rates`?"},
      {"mail", "$rates is set", "E203: `$rates` is a table: write `$rates[key]`"},
      {"mail", "sender.domain == $names", "E203: `$names` is a list: write `... in $names`"},
      {"mail", "$owner[sender.domain] is set",
       "E203: keys of `$owner` are address, `sender.domain` is domain?"},
      {"mail", "spf.result == pas",
       "E205: `pas` is not one of none, neutral, pass, fail, softfail, permerror; did you mean "
       "`pass`?"},
      {"mail", "spf.result == temperror",
       "E205: `temperror` is not one of none, neutral, pass, fail, softfail, permerror (a DNS "
       "failure is `spf.result is unknown`)"},
      {"mail", "spf.result is none", "E205: `none` is a value of `spf.result`: write `== none`"},
      {"mail", "auth.user == none", "E202: `none` is no value here: write `is none` or `is set`"},
      {"mail", "$kinds[auth.user] == ugly", "E205: `ugly` is not one of good, bad"},
      {"mail", "mail.size > 25MB",
       "E206: `mail.size` may be none, and none has no order: write `(mail.size ?? 0B) > 25MB`"},
      {"end", "msg.size > 100", "E211: `100` has no unit: a size is written 100B or 100MB"},
      {"end", "msg.size > 5m", "E211: `5m` is a duration (m = minutes); for megabytes write 5MB"},
      {"connect", "(client.first_seen ?? 0s) < 3MB",
       "E211: `3MB` is a size; a duration is written in ms, s, m, h or d"},
      {"headers", "subject.text =~ /a(?=b)/",
       "E207: backreferences and look-around are not supported (RE2)"},
      {"headers", "subject.text =~ /a(b/", "E207: not a regular expression: missing ): a(b"},
      {"helo", "auth.user is none",
       "E301: `auth.user` is not known before stage mail; this rule runs at helo"},
      {"mail", "late",
       "E301: `spam.score` (in `late`) is not known before stage end; this rule runs at mail"},
      {"mail", "command.count > 1",
       "E301: `command.count` is known at stage command only; this rule runs at mail"},
      {"rcpt", "any(rcpts, rcpt.domain in $names)",
       "E301: `rcpts` is not known before stage data; this rule runs at rcpt"},
      {"end", "rcpt.domain in $names",
       "E302: `rcpt.domain` belongs to one recipient; at end write `any(rcpts, ...)`"},
      {"mail", "header(\"X\") is set",
       "E301: `header(\"X\")` is not known before stage headers; this rule runs at mail"},
      {"mail", "sender.domain in $pairs",
       "E203: `$pairs` holds tuples of 2 values: write `[a, b] in $pairs`"},
      {"end", "msg.types contains \"x\"",
       "E203: `msg.types` is list of text, expected text: write `... in msg.types`"},
      {"connect", "client.ip is hit", "E203: `client.ip` is ip, expected a DNS list (dnsbl.NAME)"},
      {"mail", "seen(sender.address, auth.user)",
       "E203: `auth.user` is text?, expected a duration as `30d`"},
      {"end", "any(msg.size, item > 1)", "E203: `msg.size` is size, expected a list"},
      {"connect", "client.ip under \"x.example\"",
       "E203: `client.ip` is ip, expected a domain: for networks write `in`"},
      {"connect", "client.ptr > \"a\"", "E203: text has no order"},
  };
  for (const Wrong& wrong : cases) {
    INFO(wrong.when);
    const Compiled compiled = compile_text(rule_at(wrong.stage, wrong.when, kDeclarations));
    CHECK(first_said(compiled) == wrong.said);
    CHECK(compiled.program == nullptr);
  }
}

TEST_CASE("type check: an optional value is narrowed by what makes it certain") {
  const char* cases[] = {
      "mail.size is set and mail.size > 25MB",
      "mail.size > 25MB and mail.size is set",
      "not (mail.size is none) and mail.size > 25MB",
      "mail.size is none or mail.size > 25MB",
      "not (mail.size is none or mail.size < 1kB)",
      "(mail.size ?? 0B) > 25MB",
      "known_or(mail.size, 0B) > 25MB",
      "logged_in and len(auth.user) > 3",
      "$rates[auth.user] is set and $rates[auth.user] == 1/1m",
      "mail.size == 5MB and mail.size > 1B",
  };
  for (const char* when : cases) {
    INFO(when);
    const Compiled compiled = compile_text(rule_at("mail", when, kDeclarations));
    CHECK(compiled.diagnostics.errors() == 0);
  }
}

TEST_CASE("type check: what leaves a value open does not narrow it") {
  for (const char* when :
       {"mail.size is set or mail.size > 25MB", "mail.size != 5MB and mail.size > 1B",
        "not (mail.size is set) and mail.size > 1B", "len(auth.user) > 3"}) {
    INFO(when);
    const Compiled compiled = compile_text(rule_at("mail", when, kDeclarations));
    CHECK(first_said(compiled).substr(0, 4) == "E206");
  }
}

TEST_CASE(
    "type check: narrowing of `when` and `unless` reaches key, max and the look-ups in them") {
  const std::string head =
      "sluice: 1\npolicy: p\ntables:\n  rates: {key: text, value: rate, items: {a: "
      "1/1m}}\nrules:\n  - limit: l\n    stage: mail\n";
  const std::string tail = "    key: auth.user\n    count: messages\n    max: $rates[auth.user]\n";
  CHECK(compile_text(head + "    when: [auth.user is set, '$rates[auth.user] is set']\n" + tail)
            .diagnostics.errors() == 0);
  CHECK(compile_text(head + "    when: $rates[auth.user] is set\n    unless: auth.user is none\n" +
                     tail)
            .diagnostics.errors() == 0);
  const Compiled open = compile_text(head + "    when: tls.active\n" + tail);
  REQUIRE(open.diagnostics.errors() == 2);
  CHECK(open.diagnostics.all()[0].code == "E502");
  CHECK(open.diagnostics.all()[1].code == "E206");
}

TEST_CASE("type check: words of an enum are taken from the other side, quoted or not") {
  for (const char* when :
       {"spf.result == pass", "pass == spf.result", "spf.result in [pass, softfail]",
        "mail.body == 8bitmime", "spf.result == \"pass\"", "$kinds[auth.user] == good",
        "($kinds[auth.user] ?? bad) == good"}) {
    INFO(when);
    CHECK(compile_text(rule_at("mail", when, kDeclarations)).diagnostics.errors() == 0);
  }
}

TEST_CASE("type check: an enum that may be none and has a word none keeps the two apart") {
  for (const char* when : {"dmarc.policy is set and dmarc.policy == none", "dmarc.policy is none"}) {
    INFO(when);
    CHECK(compile_text(rule_at("end", when)).diagnostics.errors() == 0);
  }
}

TEST_CASE("type check: a let may not take a name that means something, nor refer to itself") {
  const auto said = [](const std::string& let) {
    return first_said(compile_text(
        "sluice: 1\npolicy: p\nlet:\n" + let +
        "rules:\n  - rule: r\n    stage: mail\n    when: tls.active\n    then: log \"x\"\n"));
  };
  CHECK(said("  pass: tls.active\n") == "E104: `pass` is a value that facts have");
  CHECK(said("  score: tls.active\n") == "E104: `score` is the name of a fact");
  CHECK(said("  a: b\n  b: a\n") == "E201: let `a` refers to itself");
  CHECK(said("  a: tls.actve\n") == "E202: unknown fact `tls.actve`; did you mean `tls.active`?");
}

TEST_CASE("type check: lets that double each other are refused, not written out for ever") {
  std::string lets = "  l0: tls.active\n";
  for (int i = 1; i < 40; ++i)
    lets += "  l" + std::to_string(i) + ": l" + std::to_string(i - 1) + " and l" +
            std::to_string(i - 1) + "\n";
  const Compiled compiled =
      compile_text("sluice: 1\npolicy: p\nlet:\n" + lets +
                   "rules:\n  - rule: r\n    stage: mail\n    when: l39\n    then: log \"x\"\n");
  CHECK(compiled.program == nullptr);
  CHECK(first_said(compiled).find("too large when written out") != std::string::npos);
}

TEST_CASE(
    "type check: a declared fact is known when its arguments are, and agrees with the service") {
  const std::string declared =
      "facts:\n  crm.vip: {type: bool, args: [sender.address, rcpt.address]}\n";
  CHECK(first_said(compile_text(rule_at("mail", "crm.vip", declared))) ==
        "E301: `crm.vip` is not known before stage rcpt; this rule runs at mail");
  CHECK(compile_text(rule_at("rcpt", "crm.vip", declared)).diagnostics.errors() == 0);
  FactSignature served;
  served.name = "crm.vip";
  served.type = Type::of(Kind::Int);
  CompileOptions options;
  options.service_facts.push_back(served);
  CHECK(first_said(compile_text(rule_at("rcpt", "crm.vip", declared), options)) ==
        "E203: `crm.vip` is bool here and int in the service configuration");
}

TEST_CASE("type check: a declared fact may repeat a built-in one if type and stage agree") {
  const auto said = [](const std::string& declared) {
    return first_said(compile_text(rule_at("end", "body.language == \"ru\"",
                                           "facts:\n  body.language: {type: " + declared + "}\n")));
  };
  CHECK(said("\"text?\", args: [body.text]") == "nothing");
  CHECK(said("text, args: [body.text]") ==
        "E203: `body.language` is text here and text? as built in");
  CHECK(said("\"text?\", args: [sender.domain]").substr(0, 4) == "E301");
}
