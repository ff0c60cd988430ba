// Programs at work: templates, lists and tables from files, sharing between generations, seen() and
// traces.
#include "policy/program.h"

#include <catch2/catch.hpp>
#include <map>

#include "base/text.h"
#include "compiled.h"
#include "named_facts.h"
#include "policy/list_pool.h"
#include "policy_files.h"

using namespace sluice;
using namespace sluice::policy;
using namespace sluice::policy::testing;

namespace {

std::string rendered(const std::string& text, std::map<std::string, Value> facts,
                     const std::string& declarations = "") {
  const Compiled c = compile_text("sluice: 1\npolicy: p\n" + declarations +
                                  "rules:\n  - rule: r\n    stage: end\n    when: virus.found\n    "
                                  "then: reject 554\n    text: '" +
                                  text + "'\n");
  INFO(c.diagnostics.render());
  REQUIRE(c.program);
  NamedFacts source(*c.program, std::move(facts));
  return c.program->render(c.rule("r").text, source).value_or("pending");
}

Truth tested(const std::string& when, std::map<std::string, Value> facts,
             const std::string& declarations = "") {
  const Compiled c = compile_text(rule_at("end", when, declarations));
  INFO(c.diagnostics.render());
  REQUIRE(c.program);
  NamedFacts source(*c.program, std::move(facts));
  return c.program->test(c.rule("r").condition, source).truth;
}

}  // namespace

TEST_CASE("program: a template prints facts, lets, look-ups and its own words") {
  CHECK(rendered("{client.ip} is listed", {{"client.ip", *IpAddress::parse("192.0.2.1")}}) ==
        "192.0.2.1 is listed");
  CHECK(rendered("{msg.size} of {sender.domain|upper}",
                 {{"msg.size", std::int64_t{6'000'000}}, {"sender.domain", "b.example"}}) ==
        "5.72MB of B.EXAMPLE");
  CHECK(rendered("see {rule} {id}", {}) == "see <rule> <id>");
  CHECK(rendered("{who}, {let who}, {$t[auth.user]}", {{"auth.user", "Ann"}},
                 "tables: {t: {key: text, value: text, items: {ann: boss}}}\nlet: {who: 'auth.user "
                 "?? \"nobody\"'}\n") == "Ann, Ann, boss");
}

TEST_CASE("program: in a template none is a dash, unknown a question mark, pending waits") {
  CHECK(rendered("{sender.domain}", {{"sender.domain", None{}}}) == "-");
  CHECK(rendered("{spam.score}", {{"spam.score", Unknown{UnknownReason::Scanner}}}) == "?");
  CHECK(rendered("{spam.score}", {}) == "pending");
}

TEST_CASE("program: values in a template are cut and cannot end the line") {
  const std::string long_text =
      rendered("{subject.text}", {{"subject.text", std::string(500, 'x')}});
  CHECK(long_text.size() == 128);
  CHECK(rendered("{subject.text}", {{"subject.text", "a\r\n250 ok"}}) == "a??250 ok");
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "ü";
  CHECK(rendered("{subject.text}", {{"subject.text", umlauts}}).size() == 256);
}

TEST_CASE("program: braces that are no template are errors, not guesses") {
  const auto code = [](const std::string& text) {
    const Compiled c = compile_text(
        "sluice: 1\npolicy: p\nrules:\n  - rule: r\n    stage: end\n    when: virus.found\n    "
        "then: reject 554\n    text: '" +
        text + "'\n");
    return c.diagnostics.all().empty() ? std::string() : c.diagnostics.all()[0].code;
  };
  CHECK(code("{}") == "E201");
  CHECK(code("{msg.size|lower}") == "E401");
  CHECK(code("{attachments}") == "E203");
  CHECK(code("{greylist.wait}") == "E405");
}

TEST_CASE("program: `and` is false as soon as one part is, whatever the others may bring") {
  CHECK(tested("tls.active and spam.score > 5", {{"tls.active", false}}) == Truth::False);
  CHECK(tested("tls.active and spam.score > 5", {{"tls.active", true}}) == Truth::Pending);
  CHECK(tested("tls.active or spam.score > 5", {{"tls.active", true}}) == Truth::True);
  CHECK(tested("tls.active and spam.score > 5", {{"tls.active", Unknown{}}, {"spam.score", 9.0}}) ==
        Truth::Unknown);
  CHECK(tested("tls.active and spam.score > 5", {{"tls.active", Unknown{}}}) == Truth::Pending);
}

TEST_CASE("program: the fact and the reason of an unknown condition are told") {
  const Compiled c = compile_text(rule_at("mail", "spf.result != pass"));
  REQUIRE(c.program);
  NamedFacts source(*c.program, {{"spf.result", Unknown{UnknownReason::ServFail}}});
  const TruthOutcome outcome = c.program->test(c.rule("r").condition, source);
  CHECK(outcome.truth == Truth::Unknown);
  CHECK(outcome.unknown_fact == "spf.result");
  CHECK(outcome.reason == UnknownReason::ServFail);
}

TEST_CASE("program: domains and addresses are compared as mail compares them") {
  CHECK(tested("sender.domain under \"example.com\"", {{"sender.domain", "notexample.com"}}) ==
        Truth::False);
  CHECK(tested("sender.domain under \"EXAMPLE.com\"", {{"sender.domain", "a.example.com"}}) ==
        Truth::True);
  CHECK(tested("sender.domain == \"münchen.example\"",
               {{"sender.domain", "xn--mnchen-3ya.example"}}) == Truth::True);
  CHECK(tested("auth.user == sender.address",
               {{"auth.user", "ANN@Example.com"}, {"sender.address", "ann@example.com"}}) ==
        Truth::True);
  CHECK(tested("client.rdns == \"münchen.example\"", {{"client.rdns", None{}}}) == Truth::False);
  CHECK(tested("client.rdns !~ /x/", {{"client.rdns", None{}}}) == Truth::True);
}

TEST_CASE("program: local parts keep their case where the site says so") {
  const std::string lists = "lists: {boxes: {type: address, items: [Ann@example.com]}}\n";
  for (const bool folds : {true, false}) {
    CompileOptions options;
    options.fold_local_part = folds;
    const Compiled c = compile_text(rule_at("mail", "sender.address in $boxes", lists), options);
    REQUIRE(c.program);
    NamedFacts source(*c.program, {{"sender.address", "ann@EXAMPLE.com"}});
    CHECK((c.program->test(c.rule("r").condition, source).truth == Truth::True) == folds);
    CHECK((key_text("Ann@example.com", Kind::Address, folds) == "ann@example.com") == folds);
  }
}

TEST_CASE("program: lists and tables are read from files beside the policy") {
  const PolicyFolder folder;
  folder.write("nets", "# ours\n192.0.2.0/24   # the office\n\n2001:db8::/32\r\n");
  folder.write("pairs", "192.0.2.0/24 example.com\n198.51.100.0/24\texample.org\n");
  folder.write("rates", "ann 100/1h\n\"Bob Builder\" 20MB/1d, 1/1m\n");
  const std::string path = folder.write(
      "p.yaml",
      "sluice: 1\npolicy: p\nlists:\n  nets: {type: cidr, file: nets}\n  pairs: {type: [cidr, "
      "domain], file: pairs}\n"
      "tables:\n  rates: {key: text, value: list of rate, file: rates}\nrules:\n"
      "  - rule: r\n    stage: mail\n    when: client.ip in $nets and [client.ip, sender.domain] "
      "in $pairs and len($rates[auth.user] ?? []) == 2\n    then: log \"x\"\n");
  Diagnostics diagnostics;
  const PolicySource source = load_policy({path}, diagnostics);
  const ProgramPtr program = compile(source, language_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program);
  CHECK(program->watched_files().size() == 4);
  const auto truth = [&](const char* ip, const char* domain, const char* user) {
    NamedFacts facts(
        *program,
        {{"client.ip", *IpAddress::parse(ip)}, {"sender.domain", domain}, {"auth.user", user}});
    return program->test(program->rule(0).condition, facts).truth;
  };
  CHECK(truth("192.0.2.9", "example.com", "bob builder") == Truth::True);
  CHECK(truth("192.0.2.9", "example.org", "bob builder") == Truth::False);
  CHECK(truth("192.0.2.9", "example.com", "ann") == Truth::False);
  CHECK(truth("198.51.100.1", "example.org", "bob builder") == Truth::False);
}

TEST_CASE("program: a list file that is missing, broken or empty is told with its place") {
  const PolicyFolder folder;
  folder.write("empty", "# nothing yet\n");
  folder.write("bad", "example.com\nnot a domain\n");
  const std::string path =
      folder.write("p.yaml",
                   "sluice: 1\npolicy: p\nlists:\n  a: {type: domain, file: nosuch}\n  b: {type: "
                   "domain, file: bad}\n  c: {type: domain, file: empty}\nrules:\n"
                   "  - rule: r\n    stage: mail\n    when: sender.domain in $a or sender.domain "
                   "in $b or sender.domain in $c\n    then: log \"x\"\n");
  Diagnostics diagnostics;
  const PolicySource source = load_policy({path}, diagnostics);
  CHECK(compile(source, language_vocabulary(), {}, diagnostics) == nullptr);
  REQUIRE(diagnostics.all().size() == 3);
  CHECK(diagnostics.all()[0].code == "E804");
  CHECK(diagnostics.all()[1].code == "E203");
  CHECK(diagnostics.all()[1].span.line == 2);
  CHECK(diagnostics.all()[1].span.file->name() == folder.path() + "/bad");
  CHECK(diagnostics.all()[2].code == "W804");
}

TEST_CASE("program: two programs with the same list content hold one copy") {
  const auto pool = std::make_shared<ListPool>();
  CompileOptions options;
  options.pool = pool;
  const std::string lists = "lists: {x: {type: text, items: [a, b]}}\n";
  const Compiled one = compile_text(rule_at("mail", "auth.user in $x", lists), options);
  const Compiled two =
      compile_text(rule_at("mail", "auth.user in $x and tls.active", lists), options);
  REQUIRE((one.program && two.program));
  ContentHash hash;
  hash.add("text fold");
  hash.add("a");
  hash.add("b");
  const StaticListPtr shared = pool->find_list(hash.key());
  REQUIRE(shared);
  CHECK(shared.use_count() == 3);  // one in each program, one here
}

TEST_CASE("program: a network key is found by its longest prefix") {
  const std::string tables =
      "tables: {t: {key: cidr, value: text, items: {192.0.2.0/24: wide, 192.0.2.128/25: narrow, "
      "\"2001:db8::/32\": six}}}\n";
  const auto found = [&](const char* ip) {
    return rendered("{$t[client.ip]}", {{"client.ip", *IpAddress::parse(ip)}}, tables);
  };
  CHECK(found("192.0.2.1") == "wide");
  CHECK(found("192.0.2.200") == "narrow");
  CHECK(found("2001:db8::1") == "six");
  CHECK(found("198.51.100.1") == "-");
}

TEST_CASE("program: seen() is visited for every recipient, whatever the condition gives") {
  const Compiled c = compile_text(
      rule_at("end", "tls.active and any(rcpts, not seen([sender.address, rcpt.address], 365d))"));
  REQUIRE(c.program);
  REQUIRE(c.rule("r").seen_sites.size() == 1);
  const std::uint32_t site = c.rule("r").seen_sites[0];
  CHECK(c.program->seen_state_key(site) == "p/r/seen/[sender.address, rcpt.address]");
  NamedFacts facts(*c.program, {{"tls.active", false},
                                {"sender.address", "a@b.example"},
                                {"rcpt.address#0", "x@b.example"},
                                {"rcpt.address#1", Unknown{}},
                                {"rcpt.address#2", "z@b.example"}});
  facts.recipients = 3;
  std::vector<std::string> seen;
  CHECK(c.program->visit_seen(
      site, facts, FactSource::kNoElement, [&](std::span<const Value> values, Duration within) {
        seen.push_back(render_value(values[1]) + " " + render_duration(within));
      }));
  CHECK(seen == std::vector<std::string>{"x@b.example 365d", "z@b.example 365d"});
  facts.recipients = 4;  // one more of whom nothing is known yet
  CHECK_FALSE(c.program->visit_seen(
      site, facts, FactSource::kNoElement,
      [](std::span<const Value>, Duration) { FAIL("visited while pending"); }));
}

TEST_CASE("program: constant parts are gone, and cheap facts are asked before dear ones") {
  CHECK(tested("1 == 2 and spam.score > 5", {}) == Truth::False);
  CHECK(tested("spf.result == pass and tls.active", {{"tls.active", false}}) == Truth::False);
  const Compiled c = compile_text(rule_at("mail", "spf.result == pass and tls.active"));
  class Noting final : public FactSource {
   public:
    explicit Noting(const Program& program) : program_(program) {}
    const Value* fact(FactIndex index, std::uint32_t) override {
      asked.push_back(program_.facts()[index].signature.name);
      return asked.back() == "tls.active" ? &no_ : nullptr;
    }
    std::uint32_t recipient_count() override { return 0; }
    const Value* header(std::string_view) override { return nullptr; }
    const Value* contains(ListId, const Value&) override { return nullptr; }
    const Value* seen(std::uint32_t, std::span<const Value>, Duration) override { return nullptr; }
    std::string template_word(std::string_view) override { return {}; }
    std::vector<std::string> asked;

   private:
    const Program& program_;
    Value no_ = Value(false);
  } noting(*c.program);
  CHECK(c.program->test(c.rule("r").condition, noting).truth == Truth::False);
  CHECK(noting.asked == std::vector<std::string>{"tls.active"});
}

TEST_CASE("program: keys of stored state fold like == of their type") {
  CHECK(key_text("Alice", Kind::Text) == key_text("alice", Kind::Text));
  CHECK(key_text("ANN@Example.COM", Kind::Address) == "ann@example.com");
  CHECK(key_text("\"ann\"@example.com", Kind::Address) == "ann@example.com");
  CHECK(key_text(*IpAddress::parse("::ffff:192.0.2.1"), Kind::Ip) == "192.0.2.1");
  CHECK(key_text(Value::list({"a", "b"}), Kind::Text) != key_text(Value::list({"ab"}), Kind::Text));
}

TEST_CASE("program: the whole example policy compiles when its list files are there") {
  const auto example = folder_of("SLUICE_SCENARIOS", "../shared/scenarios").parent_path() /
                       "examples" / "mx-example.yaml";
  std::ifstream in(example);
  if (!in) {
    WARN("skipped: no mx-example.yaml");
    return;
  }
  const PolicyFolder folder;
  std::string text((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t at; (at = text.find("/etc/sluice/")) != std::string::npos;)
    text.erase(at, std::string("/etc/sluice/").size());
  for (const auto& [name, content] : std::map<std::string, std::string>{
           {"trusted_hosts", "192.0.2.1\n"},
           {"big_providers", "198.51.100.0/24\n"},
           {"local_domains", "example.com\n"},
           {"traps", "trap@example.com\n"},
           {"user_rate", "ann 100/1h\n"},
           {"login_sender", "ann ann@example.com, info@example.com\n"},
           {"executives", "\"Jane Doe\" jane@example.com\n"},
           {"profiles", "bob@example.com strict\n"}})
    folder.write(name, content);
  Diagnostics diagnostics;
  const PolicySource source = load_policy({folder.write("mx.yaml", text)}, diagnostics);
  const ProgramPtr program = compile(source, language_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  CHECK(program);
  CHECK(diagnostics.all().empty());
}
