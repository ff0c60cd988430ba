#include "policy/show.h"

#include <catch2/catch.hpp>

#include "expression_text.h"
#include "policy/action_parser.h"
#include "policy_files.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

// Runs of blanks in front of the origin are of no interest, the folder neither.
std::string squeezed(const std::string& text, const std::string& folder) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, folder.size(), folder) == 0) {
      i += folder.size() - 1;
      continue;
    }
    const bool inner = text[i] == ' ' && !out.empty() && out.back() == ' ' &&
                       text.find_first_not_of(" \n", i) != std::string::npos &&
                       text[text.find_first_not_of(' ', i)] == '#';
    if (!inner) out += text[i];
  }
  return out;
}

}  // namespace

TEST_CASE("show: every key of the effective policy has the place it comes from") {
  const PolicyFolder folder;
  folder.write("base.yaml",
               "sluice: 1\npolicy: base\ndefaults: {mode: shadow}\nlists: {nets: {type: cidr, "
               "items: [10.0.0.0/8]}}\n"
               "rules:\n  - rule: no-rdns\n    stage: mail\n    when:  client.rdns  is none\n    "
               "then: reject 550 5.7.25\n    text: it's you\n"
               "  - rule: gone\n    stage: mail\n    then: discard\n");
  const std::string main = folder.write(
      "main.yaml",
      "sluice: 1\npolicy: main\ninclude: base.yaml\nlists:\n  base/nets: {extend: [192.0.2.0/24]}\n"
      "rules:\n  - score: s\n    stage: rcpt\n    add: -4\n"
      "change:\n  - {rule: base/gone, remove: true}\n"
      "  - rule: base/no-rdns\n    set: {then: defer 450 4.7.25, tags: [a, b]}\n");
  Diagnostics diagnostics;
  const PolicySource source = load_policy({main}, diagnostics);
  REQUIRE(diagnostics.ok());
  CHECK(squeezed(render_source(source), folder.path() + "/") ==
        "policy: main # main.yaml:2\n"
        "policy: base # base.yaml:2\n"
        "defaults.mode: shadow # base.yaml:3\n"
        "lists:\n"
        "  base/nets: {type: cidr, items: ['10.0.0.0/8', '192.0.2.0/24']} # base.yaml:4\n"
        "rules:\n"
        "  - score: s # main.yaml:7\n"
        "    stage: rcpt # main.yaml:8\n"
        "    add: '-4' # main.yaml:9\n"
        "  - rule: base/no-rdns # base.yaml:6\n"
        "    stage: mail # base.yaml:7\n"
        "    when: 'client.rdns is none' # base.yaml:8\n"
        "    then: ['defer 450 4.7.25'] # main.yaml:13\n"
        "    text: 'it''s you' # base.yaml:10\n"
        "    tags: [a, b] # main.yaml:13\n"
        "    mode: shadow # base.yaml:3 (defaults)\n");
}

TEST_CASE("show: long lists are cut and say how much is left out") {
  std::string items;
  for (int i = 0; i < 25; ++i) items += (i ? ", d" : "d") + std::to_string(i) + ".example";
  Diagnostics diagnostics;
  const PolicySource source = load_policy_text(
      "t.yaml", "sluice: 1\npolicy: t\nlists: {a: {type: domain, items: [" + items + "]}}\n",
      diagnostics);
  REQUIRE(diagnostics.ok());
  CHECK(render_source(source).find("'d19.example', ... 5 more]") != std::string::npos);
}

TEST_CASE("show: the normal form of an action is an action, the same again") {
  for (const std::string text :
       {"reject 541",
        "reject 550 5.7.1",
        "defer 451 4.7.1",
        "disconnect 421 4.3.2",
        "quarantine",
        "quarantine \"a \\\"b\\\" \\\\\"",
        "discard",
        "header X-A = \"{rule}\"",
        "insert header X-A = \"b\"",
        "set header X-A = \"b\"",
        "remove header X-A",
        "subject prefix \"[S] \"",
        "add client.ip to $b",
        "add $t[auth.user] ?? \"x\" to $b/c for 1d unless inside or client.ip in $n",
        "add sender.domain to $b when tls.active",
        "remove client.ip from $b",
        "drop recipient",
        "delay 1s",
        "delay 1s each max 20s",
        "log \"hello {id}\"",
        "add recipient \"a@b.example\"",
        "redirect to \"a@b.example\"",
        "sender \"a@b.example\"",
        "footer \"bye\""}) {
    Diagnostics diagnostics;
    const auto action = parse_action(scalar_of(text), diagnostics);
    INFO(text << diagnostics.render());
    REQUIRE(action);
    CHECK(render_action(*action) == text);
  }
}
