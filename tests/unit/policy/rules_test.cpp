// What becomes of each kind of rule.
#include <catch2/catch.hpp>

#include "compiled.h"

using namespace sluice;
using namespace sluice::policy;
using namespace sluice::policy::testing;

namespace {

const std::string kHead = "sluice: 1\npolicy: mx\nrules:\n";

std::string codes(const Compiled& compiled) {
  std::string text;
  for (const Diagnostic& d : compiled.diagnostics.all()) text += (text.empty() ? "" : " ") + d.code;
  return text;
}

std::vector<std::string> exempted(const Compiled& compiled, std::string_view exemption) {
  std::vector<std::string> names;
  for (const RuleId id : compiled.rule(exemption).exempts)
    names.push_back(compiled.program->rule(id).name);
  return names;
}

}  // namespace

TEST_CASE("rules: a reply without status or text takes both from the catalogue") {
  const Compiled c = compile_text(
      kHead + "  - rule: spam\n    stage: end\n    when: spam.score > 9\n    then: reject 541\n");
  REQUIRE(c.program);
  const Decision& d = *c.rule("spam").decision;
  CHECK(d.code == 541);
  CHECK(d.status.to_string() == "5.7.1");
  CHECK_FALSE(d.status_written);
  CHECK(d.default_text == mail::find_reply_code(541)->text);
}

TEST_CASE("rules: with reply_codes rfc the class stays and a written status too") {
  const Compiled c = compile_text(
      "sluice: 1\npolicy: mx\ndefaults: {reply_codes: rfc}\nrules:\n"
      "  - rule: a\n    stage: end\n    when: spam.score is unknown\n    then: defer 471\n"
      "  - rule: b\n    stage: end\n    when: spam.score is unknown\n    then: defer 471 4.7.1\n"
      "  - rule: c\n    stage: rcpt\n    when: rcpt.null_mx\n    then: reject 512 5.1.10\n");
  REQUIRE(c.program);
  CHECK(c.rule("a").decision->code == 451);
  CHECK(c.rule("a").decision->status.to_string() == "4.3.0");
  CHECK(c.rule("a").decision->default_text == mail::find_reply_code(471)->text);
  CHECK(c.rule("b").decision->code == 451);
  CHECK(c.rule("b").decision->status.to_string() == "4.7.1");
  CHECK(c.rule("c").decision->code == 556);  // the null MX has a code of its own, RFC 7505 4.2
  CHECK(c.rule("c").decision->status.to_string() == "5.1.10");
}

TEST_CASE("rules: greylists and limits answer without `then`") {
  const Compiled c = compile_text(
      kHead +
      "  - greylist: g\n    stage: rcpt\n"
      "  - limit: l\n    stage: mail\n    key: client.ip\n    count: messages\n    max: 10/1m\n");
  REQUIRE(c.program);
  CHECK(c.rule("g").decision->code == 450);
  CHECK(c.rule("g").decision->status.to_string() == "4.7.1");
  CHECK(c.rule("g").greylist->key.size() == 3);
  CHECK(c.rule("g").greylist->state_key ==
        "mx/g/greylist//client.net, sender.address, rcpt.address");
  CHECK(c.rule("l").decision->status.to_string() == "4.7.28");
  CHECK(c.rule("l").limit->state_key == "mx/l/limit/messages/client.ip");
  CHECK(c.rule("l").text != kNoTemplate);
}

TEST_CASE(
    "rules: a renamed rule keeps the state of its old name, a let is written out in the key") {
  const Compiled c = compile_text(
      "sluice: 1\npolicy: mx\nlet: {who: 'auth.user ?? \"-\"'}\nrules:\n"
      "  - limit: new\n    was: old\n    stage: mail\n    key: who\n    count: distinct "
      "sender.domain\n    max: 10/1m\n");
  REQUIRE(c.program);
  CHECK(c.rule("new").limit->state_key == "mx/old/limit/distinct sender.domain/auth.user ?? \"-\"");
}

TEST_CASE("rules: at the end of the message the recipients of a greylist key are all of them") {
  const Compiled c =
      compile_text(kHead + "  - greylist: g\n    stage: end\n    when: spam.score > 5\n");
  REQUIRE(c.program);
  const GreylistSpec& g = *c.rule("g").greylist;
  CHECK(g.key_all_recipients == std::vector<bool>{false, false, true});
  CHECK(g.key[2] == kNoExpr);
}

TEST_CASE(
    "rules: the answers of connect, helo and mail wait for RCPT unless the rule or the file says "
    "otherwise") {
  const Compiled c = compile_text(
      kHead +
      "  - rule: a\n    stage: mail\n    when: tls.active\n    then: reject 550\n"
      "  - rule: b\n    stage: mail\n    reply_at: stage\n    when: tls.active\n    then: reject "
      "550\n"
      "  - rule: c\n    stage: connect\n    when: client.dynamic\n    then: disconnect 421\n"
      "  - rule: d\n    stage: rcpt\n    when: tls.active\n    then: reject 550\n");
  REQUIRE(c.program);
  CHECK(c.rule("a").reply_at_rcpt);
  CHECK_FALSE(c.rule("b").reply_at_rcpt);
  CHECK_FALSE(c.rule("c").reply_at_rcpt);
  CHECK_FALSE(c.rule("d").reply_at_rcpt);
}

TEST_CASE("rules: replies that an MTA would drop are load errors") {
  const auto said = [](const std::string& then) {
    return codes(compile_text(
        kHead + "  - rule: r\n    stage: mail\n    when: tls.active\n    then: " + then + "\n"));
  };
  CHECK(said("reject 550 4.7.1") == "E404");
  CHECK(said("reject 451 4.7.1") == "E403");
  CHECK(said("defer 550 5.7.1") == "E403");
  CHECK(said("disconnect 450 4.7.1") == "E403");
  CHECK(said("reject 599 5.7.1") == "E402");
  CHECK(said("reject 250") == "E402");
  CHECK(said("reject 550\n    text: \"{spam.score}\"") == "E405");
  CHECK(said("reject 550\n    text: \"{limit.max}\"") == "E405");
  CHECK(said("reject 550\n    text: \"{sender.domian}\"") == "E202");
  CHECK(said("reject 550\n    text: \"a\\tb\"") == "E406");
  CHECK(said("reject 550\n    text: \"{sender.domain\"") == "E401");
  CHECK(said("reject 550\n    on_unknown: defer 550") == "E403");
  CHECK(said("reject 550\n    on_unknown: defer 451 5.7.1") == "E404");
  CHECK(said("reject 550\n    on_unknown: match") == "E401");
  CHECK(said("log \"x\"\n    on_unknown: match").empty());
  CHECK(said("add client.ip to $nosuch") == "E204");
}

TEST_CASE("rules: only dynamic lists can be added to, with values of their type") {
  const auto said = [](const std::string& then) {
    return codes(
        compile_text("sluice: 1\npolicy: mx\nlists:\n  live: {type: cidr, dynamic: true}\n  fixed: "
                     "{type: cidr, items: [192.0.2.1]}\nrules:\n"
                     "  - rule: r\n    stage: mail\n    when: client.ip in $fixed or client.ip in "
                     "$live\n    then: " +
                     then + "\n"));
  };
  CHECK(said("add client.ip to $live for 24h unless tls.active").empty());
  CHECK(said("add client.ip to $fixed") == "E203");
  CHECK(said("add sender.domain to $live") == "E203");
}

TEST_CASE("rules: an exemption reaches names, globs, tags and kinds, but nothing protected") {
  const Compiled c = compile_text(
      kHead +
      "  - exempt: all\n    stage: connect\n    from: all\n"
      "  - exempt: glob\n    stage: connect\n    from: ['r*']\n"
      "  - exempt: tag\n    stage: connect\n    from: [tag:t, l]\n"
      "  - exempt: kind\n    stage: connect\n    from: [kind:limit]\n"
      "  - rule: r1\n    stage: mail\n    tags: [t]\n    when: tls.active\n    then: reject 550\n"
      "  - rule: r2\n    stage: mail\n    protected: true\n    tags: [t]\n    when: tls.active\n   "
      " then: reject 550\n"
      "  - limit: l\n    stage: mail\n    key: client.ip\n    count: messages\n    max: 1/1m\n");
  REQUIRE(c.program);
  CHECK(exempted(c, "all") == std::vector<std::string>{"r1", "l"});
  CHECK(exempted(c, "glob") == std::vector<std::string>{"r1"});
  CHECK(exempted(c, "tag") == std::vector<std::string>{"r1", "l"});
  CHECK(exempted(c, "kind") == std::vector<std::string>{"l"});
  CHECK(c.rule("all").exempt_scope == mail::Scope::Connection);
}

TEST_CASE("rules: exemptions that come too late, select nothing or only what is protected") {
  const auto said = [](const std::string& exempt) {
    return codes(compile_text(kHead + "  - exempt: e\n" + exempt +
                              "  - rule: at-rcpt\n    stage: mail\n    tags: [t]\n    when: "
                              "tls.active\n    then: reject 550\n"
                              "  - rule: at-mail\n    stage: mail\n    tags: [t]\n    reply_at: "
                              "stage\n    when: tls.active\n    then: reject 550\n"
                              "  - limit: counts\n    stage: mail\n    key: client.ip\n    count: "
                              "messages\n    max: 1/1m\n"
                              "  - rule: safe\n    stage: end\n    protected: true\n    when: "
                              "virus.found\n    then: reject 554\n"));
  };
  CHECK(said("    stage: rcpt\n    from: [at-rcpt]\n").empty());
  CHECK(said("    stage: rcpt\n    from: [at-mail]\n") == "E601");
  CHECK(said("    stage: rcpt\n    from: [counts]\n") == "E601");
  CHECK(said("    stage: rcpt\n    from: [tag:t]\n") == "W603");
  CHECK(said("    stage: rcpt\n    from: [nobody]\n") == "E602");
  CHECK(said("    stage: rcpt\n    from: [safe]\n") == "E604");
  CHECK(said("    stage: rcpt\n    from: all\n").empty());
}

TEST_CASE("rules: what can never run or is used nowhere is warned about") {
  CHECK(
      codes(compile_text(
          kHead + "  - rule: a\n    stage: mail\n    then: reject 550\n"
                  "  - rule: b\n    stage: mail\n    when: tls.active\n    then: reject 550\n")) ==
      "W802");
  CHECK(codes(compile_text(
                  kHead +
                  "  - exempt: e\n    stage: connect\n    when: client.dynamic\n    from: [a]\n"
                  "  - rule: a\n    stage: mail\n    then: reject 550\n"
                  "  - rule: b\n    stage: mail\n    when: tls.active\n    then: reject 550\n"))
            .empty());
  CHECK(codes(compile_text(
            "sluice: 1\npolicy: p\nlists: {x: {type: text, items: [a]}}\nrules:\n"
            "  - rule: b\n    stage: mail\n    when: tls.active\n    then: reject 550\n")) ==
        "W803");
}

TEST_CASE("rules: a dynamic list of pairs is refused, not met while it is asked") {
  CHECK(codes(compile_text("sluice: 1\npolicy: p\nlists: {x: {type: [cidr, domain], dynamic: "
                           "true}}\nrules:\n  - rule: r\n    stage: mail\n    when: '[client.ip, "
                           "sender.domain] in $x'\n    then: reject 550\n")) == "E106");
}

TEST_CASE("rules: a greylist that nobody could pass is refused") {
  CHECK(codes(compile_text(kHead + "  - greylist: g\n    stage: rcpt\n    delay: 3d\n")) == "E503");
  CHECK(codes(compile_text(kHead + "  - greylist: g\n    stage: rcpt\n    delay: 3d\n    "
                                   "retry_within: 4d\n")) == "");
}

TEST_CASE("rules: warnings about limits and replies that will surprise") {
  CHECK(codes(compile_text(kHead + "  - limit: l\n    stage: connect\n    key: client.ip\n    "
                                   "count: messages\n    max: 20/1d\n")) == "W507");
  CHECK(codes(compile_text(kHead + "  - rule: r\n    stage: rcpt\n    when: rcpt.localpart == "
                                   "\"x\"\n    then: discard\n")) == "W508");
  CHECK(codes(compile_text(kHead + "  - limit: l\n    stage: mail\n    key: client.ip\n    count: "
                                   "bytes\n    max: 20MB/1d\n")) == "W504");
  CHECK(codes(compile_text(kHead + "  - limit: l\n    stage: rcpt\n    key: client.ip\n    count: "
                                   "bytes\n    max: 20MB/1d\n")) == "E501");
  CHECK(codes(compile_text(kHead + "  - limit: l\n    stage: end\n    key: client.ip\n    count: "
                                   "bytes\n    max: 20/1d\n")) == "E211");
  CHECK(
      codes(compile_text(
          kHead + "  - rule: r\n    stage: data\n    when: tls.active\n    then: reject 550\n")) ==
      "W505");
  CHECK(codes(compile_text(kHead + "  - rule: r\n    stage: end\n    for_each: rcpt\n    when: "
                                   "rcpt.domain == \"x.example\"\n    then: drop recipient\n")) ==
        "W506");
  CHECK(codes(compile_text(
            kHead +
            "  - rule: r\n    stage: end\n    when: virus.found\n    then: drop recipient\n")) ==
        "E401");
}

TEST_CASE("rules: the time zone is needed by local time, and must exist") {
  const std::string rule =
      "rules:\n  - rule: r\n    stage: mail\n    when: time.weekday in [sat, sun]\n    then: log "
      "\"x\"\n";
  CHECK(codes(compile_text("sluice: 1\npolicy: p\n" + rule)) == "E105");
  CHECK(codes(compile_text("sluice: 1\npolicy: p\ntimezone: Europe/Berlin\n" + rule)).empty());
}

TEST_CASE("rules: the revision changes with what the rule does, not with how it is written") {
  const auto rev = [](const std::string& when) {
    return compile_text(kHead + "  - rule: r\n    stage: mail\n    when: " + when +
                        "\n    then: reject 550\n")
        .rule("r")
        .rev;
  };
  CHECK(rev("tls.active and sender.is_null") == rev("(tls.active)  and  sender.is_null"));
  CHECK(rev("tls.active and sender.is_null") != rev("tls.active or sender.is_null"));
}

TEST_CASE("rules: the program knows what it needs of a message") {
  const auto program = [](const std::string& stage, const std::string& when) {
    return compile_text(rule_at(stage, when)).program;
  };
  CHECK_FALSE(program("mail", "tls.active")->needs_headers());
  CHECK(program("headers", "subject.text == \"x\"")->needs_headers());
  CHECK_FALSE(program("headers", "subject.text == \"x\"")->needs_body());
  CHECK(program("headers", "header(\"X\") is set")->needs_headers());
  CHECK(program("end", "spam.score > 1")->needs_body());
}

TEST_CASE("rules: facts are known with the earliest stage that names them") {
  const Compiled c = compile_text(
      kHead +
      "  - rule: a\n    stage: end\n    when: spf.result == fail and spam.score > 1\n    then: log "
      "\"x\"\n"
      "  - rule: b\n    stage: rcpt\n    when: spf.result == pass\n    then: log \"x\"\n");
  REQUIRE(c.program);
  REQUIRE(c.program->facts().size() == 2);
  CHECK(c.program->facts()[0].signature.name == "spf.result");
  CHECK(c.program->facts()[0].first_used == mail::Stage::Rcpt);
  CHECK(c.program->stage(mail::Stage::Rcpt).facts == std::vector<FactIndex>{0});
  CHECK(c.program->uses_stage(mail::Stage::End));
  CHECK_FALSE(c.program->uses_stage(mail::Stage::Mail));
}

TEST_CASE("rules: a disabled rule is known but in no phase") {
  const Compiled c = compile_text(kHead +
                                  "  - rule: a\n    stage: mail\n    mode: disabled\n    when: "
                                  "tls.active\n    then: reject 550\n");
  REQUIRE(c.program);
  CHECK(c.rule("a").mode == Mode::Disabled);
  CHECK(c.program->stage(mail::Stage::Mail).empty());
}

TEST_CASE(
    "rules: a DNS list takes its ranges as written, and hits all but the error codes by default") {
  const Compiled c = compile_text(
      "sluice: 1\npolicy: p\ndnsbl:\n  zen: {zone: zen.example, of: client.ip, hit: "
      "127.0.0.2-127.0.0.11, error: 127.255.255.0/24}\n"
      "  dom: {zone: dom.example, of: sender.domain}\nrules:\n"
      "  - rule: r\n    stage: mail\n    when: dnsbl.zen is hit or dnsbl.dom is hit\n    then: "
      "reject 554\n");
  REQUIRE(c.program);
  const Dnsbl& zen = c.program->dnsbls()[0];
  CHECK(zen.hit == std::vector<std::pair<IpAddress, IpAddress>>{
                       {*IpAddress::parse("127.0.0.2"), *IpAddress::parse("127.0.0.11")}});
  CHECK(zen.error ==
        std::vector<std::pair<IpAddress, IpAddress>>{
            {*IpAddress::parse("127.255.255.0"), *IpAddress::parse("127.255.255.255")}});
  CHECK(c.program->dnsbls()[1].hit[0].second == *IpAddress::parse("127.255.254.255"));
}

TEST_CASE("rules: a renamed limit is told at reload, unless it says what it was") {
  const auto limit = [](const std::string& name) {
    return compile_text(
               kHead + "  - limit: " + name +
               "\n    stage: mail\n    key: client.ip\n    count: messages\n    max: 10/1m\n")
        .program;
  };
  const auto warnings = [&](const std::string& before, const std::string& after) {
    Diagnostics diagnostics;
    warn_about_renames(*limit(before), *limit(after), diagnostics);
    return diagnostics.all().empty()
               ? std::string()
               : diagnostics.all()[0].code + ": " + diagnostics.all()[0].message;
  };
  CHECK(warnings("old", "new") ==
        "W801: `new` begins without the state of `old`, which is gone: if it was renamed add `was: "
        "old`");
  CHECK(warnings("old", "old").empty());
  CHECK(warnings("old", "new\n    was: old").empty());
}
