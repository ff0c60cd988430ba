// rooms: app
// Names of greylist entries: what is understood is understood again from its own readable name, as
// the same entry.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/greylist_pass.h"
#include "facts/fact.h"
#include "policy/policy_source.h"
#include "require.h"

using namespace sluice;
using sluice::fuzz::require;

namespace {

constexpr const char* kPolicy = R"(sluice: 1
policy: p
version: "1"
rules:
  - greylist: triplet
    stage: rcpt
    when: sender.address is set
    key: [client.ip, sender.address, rcpt.address]
    delay: 5m
    then: defer 450 4.7.1
  - greylist: late
    stage: end
    when: helo.name is set
    key: [helo.name, rcpt.address]
    delay: 5m
    then: defer 450 4.7.1
)";

policy::ProgramPtr make_program() {
  Diagnostics diagnostics;
  const policy::PolicySource source = policy::load_policy_text("p.yaml", kPolicy, diagnostics);
  auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  require(program != nullptr, "the policy compiles");
  return program;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const policy::ProgramPtr program = make_program();
  const std::string_view name(reinterpret_cast<const char*>(bytes), size);
  const auto pass = app::pass_of(*program, name);
  if (!pass) return 0;
  require(!pass->key.empty() && pass->key.size() <= backends::kMaxStateKey, "a key has its cap");
  // Folding may make a value look like the next fact: such a name is refused.
  const auto again = app::pass_of(*program, pass->name);
  require(!again || (again->key == pass->key && again->name == pass->name),
          "an entry is known by the name that is shown");
  return 0;
}
