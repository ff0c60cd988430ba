// Whole policies: the examples and scenarios that the language was made from.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "language_vocabulary.h"
#include "policy/program.h"

using namespace sluice;
using namespace sluice::policy;
namespace fs = std::filesystem;

namespace {

fs::path scenarios_folder() {
  const char* given = std::getenv("SLUICE_SCENARIOS");
  return given ? fs::path(given) : fs::path(SLUICE_SOURCE_DIR) / ".." / "shared" / "scenarios";
}

constexpr const char* kBrokenDiagnostics =
    R"(broken.yaml:11:11: error E301: `spam.score` is not known before stage end; this rule runs at rcpt
        when: spam.score > 5
              ^~~~~~~~~~
broken.yaml:16:11: error E301: `auth.user` is not known before stage mail; this rule runs at helo
        when: auth.user is none and not (helo.name contains ".")
              ^~~~~~~~~
broken.yaml:21:11: error E202: unknown fact `sender.domian`; did you mean `sender.domain`?
        when: sender.domian in $local_domains
              ^~~~~~~~~~~~~
broken.yaml:26:21: error E209: ip in list of domain: can never match
        when: client.ip in $local_domains
                        ^
broken.yaml:31:25: error E205: `temperror` is not one of none, neutral, pass, fail, softfail, permerror (a DNS failure is `spf.result is unknown`)
        when: spf.result == temperror
                            ^~~~~~~~~
broken.yaml:37:22: error E404: enhanced code 4.7.1 does not fit 550: the MTA would discard the reply
        then: reject 550 4.7.1
                         ^~~~~
broken.yaml:42:18: error E403: reject needs 5xx; for 451 write `defer 451 ...`
        then: reject 451 4.7.1
                     ^~~
broken.yaml:47:18: error E402: 599 is not a reply code of the table (`sluice codes` lists them)
        then: reject 599 5.7.1
                     ^~~
broken.yaml:53:23: error E405: `spam.score` is not known before stage end; this rule runs at rcpt
        text: "score was {spam.score}"
                          ^~~~~~~~~~
broken.yaml:56:21: error E210: an address never equals a network: write `client.ip in [...]`
        when: client.ip == "10.0.0.0/8"
                        ^~
broken.yaml:61:22: error E211: `5m` is a duration (m = minutes); for megabytes write 5MB
        when: msg.size > 5m
                         ^~
broken.yaml:67:10: error E502: key `auth.user` may be none here: add `auth.user is set` to when (otherwise all such mail shares one counter)
        key: auth.user
             ^~~~~~~~~
broken.yaml:82:12: error E601: exemption `good-signers` is decided at end, but `gl` (line 72) already answers at rcpt: it can never help
        from: [gl]
               ^~
broken.yaml:86:12: error E602: `tag:antispam` selects no rule
        from: [tag:antispam]
               ^~~~~~~~~~~~
broken.yaml:89:27: error E207: backreferences and look-around are not supported (RE2)
        when: subject.text =~ /(a+)+\1$/i
                              ^
broken.yaml:94:57: error E208: `and` and `or` mixed: add parentheses
        when: not client.ip in $own_nets and sender.is_null or tls.active
                                                            ^~
broken.yaml:100:11: warning W501: 421 at rcpt closes the connection for all recipients; use defer 450/451
        then: disconnect 421 4.3.2
              ^
broken.yaml:105:5: error E102: unknown key `on_unkown` in a rule; did you mean `on_unknown`?
        on_unkown: defer
        ^~~~~~~~~
)";

struct Compiled {
  ProgramPtr program;
  Diagnostics diagnostics;
};

Compiled compile_file(const fs::path& path) {
  Compiled result;
  const PolicySource source = load_policy({path.string()}, result.diagnostics);
  result.program = compile(source, testing::language_vocabulary(), {}, result.diagnostics);
  return result;
}

}  // namespace

TEST_CASE("compiler: every scenario compiles without an error") {
  const fs::path scenarios = scenarios_folder();
  if (!fs::exists(scenarios)) {
    WARN("skipped: no scenarios at " << scenarios);
    return;
  }
  for (const auto& entry : fs::directory_iterator(scenarios)) {
    const Compiled result = compile_file(entry.path());
    INFO(entry.path().filename().string() << "\n" << result.diagnostics.render());
    CHECK(result.program != nullptr);
    CHECK(result.diagnostics.errors() == 0);
  }
}

TEST_CASE("compiler: the broken example says exactly what the language promises") {
  const fs::path broken = scenarios_folder().parent_path() / "examples" / "broken.yaml";
  if (!fs::exists(broken)) {
    WARN("skipped: no " << broken);
    return;
  }
  Diagnostics diagnostics;
  const PolicySource source = load_policy({broken.string()}, diagnostics);
  CHECK(compile(source, testing::language_vocabulary(), {}, diagnostics) == nullptr);
  std::string shown = diagnostics.render();
  for (std::size_t at; (at = shown.find(broken.string())) != std::string::npos;)
    shown.replace(at, broken.string().size(), "broken.yaml");
  CHECK(shown == kBrokenDiagnostics);
}
