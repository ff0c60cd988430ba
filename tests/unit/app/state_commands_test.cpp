#include "app/state_commands.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "app/policy_loading.h"
#include "app/service.h"
#include "backends/reference_store.h"
#include "backends/store_in_front.h"
#include "engine/ledger.h"

using namespace sluice;
using namespace sluice::app;
using nlohmann::json;

namespace {

// One of its servers does not answer while `is_partly_away`.
class PartlyAway final : public backends::StoreInFront {
 public:
  using StoreInFront::StoreInFront;
  bool is_partly_away = false;
  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override {
    behind_.submit(std::move(ops), std::move(done));
  }
  std::vector<backends::StateEntry> show(const backends::StateQuery& query) override {
    if (is_partly_away) ++errors_;
    return behind_.show(query);
  }
  std::size_t forget(backends::StateEntry::Kind kind, const std::string& filter) override {
    if (is_partly_away) ++errors_;
    return behind_.forget(kind, filter);
  }
  backends::StateHealth health() const override {
    backends::StateHealth health = behind_.health();
    health.errors = errors_;
    health.what = "one of two servers answers";
    return health;
  }

 private:
  std::uint64_t errors_ = 0;
};

}  // namespace

TEST_CASE("state commands: what a store could not be asked for is said, and is no success") {
  VirtualClock clock;
  backends::ReferenceStore behind(clock);
  PartlyAway store(behind);
  engine::Ledger ledger;
  const StatePlaces places{store, ledger, nullptr, clock.now()};
  CHECK(limits_command(places, json{{"action", "show"}}).exit == kOk);
  CHECK(limits_command(places, json{{"action", "reset"}, {"FILTER", "x"}}).exit == kOk);
  store.is_partly_away = true;
  for (const json& command : {json{{"action", "show"}}, json{{"action", "reset"}, {"FILTER", "x"}}}) {
    const ControlReply reply = limits_command(places, command);
    CHECK(reply.exit == kTemporary);
    CHECK(reply.text.find("perhaps not all: one of two servers answers") != std::string::npos);
  }
  store.is_partly_away = false;
  CHECK(limits_command(places, json{{"action", "show"}}).exit == kOk);
}

TEST_CASE("state commands: what is no number is refused, not taken for the default") {
  VirtualClock clock;
  backends::ReferenceStore store(clock);
  engine::Ledger ledger;
  const StatePlaces places{store, ledger, nullptr, clock.now()};
  for (const char* wrong : {"x", "0", "-1", "100001", "99999999999999999999"}) {
    const ControlReply reply = limits_command(places, json{{"action", "top"}, {"top", wrong}});
    CHECK(reply.exit == kUsage);
    CHECK(reply.text.find("--top `" + std::string(wrong) + "` is no number") != std::string::npos);
  }
  CHECK(limits_command(places, json{{"action", "top"}, {"top", "1"}}).exit == kOk);
}

TEST_CASE("state commands: a value that is not in a list is not said to be removed from it") {
  const std::string path =
      std::filesystem::temp_directory_path() / ("sluice-lists-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << R"(sluice: 1
policy: p
version: "1"
lists:
  logins: {type: text, dynamic: true}
  nets: {type: cidr, dynamic: true}
rules:
  - rule: login
    stage: mail
    when: auth.user is set and auth.user in $logins and client.ip in $nets
    then: reject 535
)";
  const LoadedPolicy loaded = load_program(std::vector<std::string>{path}, policy::CompileOptions{});
  std::filesystem::remove(path);
  REQUIRE(loaded.program);
  VirtualClock clock;
  backends::ReferenceStore store(clock);
  engine::Ledger ledger;
  const StatePlaces places{store, ledger, loaded.program, clock.now()};
  const auto run = [&](const char* action, const char* list, const std::string& value) {
    return list_command(places, json{{"action", action}, {"LIST", list}, {"VALUE", value}});
  };
  CHECK(run("add", "logins", "ann@example.com").exit == kOk);
  CHECK(run("remove", "logins", "anne@example.com").exit == kNoInput);
  CHECK(run("remove", "logins", "anne@example.com").text == "anne@example.com is not in logins\n");
  CHECK(run("remove", "logins", "Ann@example.com").exit == kOk);
  CHECK(run("remove", "logins", "ann@example.com").exit == kNoInput);

  CHECK(run("add", "nets", "203.0.113.0/24").exit == kOk);
  CHECK(run("remove", "nets", "203.0.113.9").text ==
        "203.0.113.9/32 is not in nets, but 203.0.113.0/24 is\n");
  CHECK(run("add", "nets", "203.0.113.9").exit == kOk);
  CHECK(run("remove", "nets", "203.0.113.9").exit == kOk);
  CHECK(run("remove", "nets", "203.0.113.0/24").exit == kOk);

  for (const std::string& wrong : {std::string(), std::string("a\nb"), std::string("\xff"), std::string(1'001, 'x')})
    CHECK(run("add", "logins", wrong).exit == kUsage);
}
