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
#include "engine/state_key.h"

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

namespace {

LoadedPolicy load(const std::string& text) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("sluice-state-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << text;
  LoadedPolicy loaded = load_program(std::vector<std::string>{path}, policy::CompileOptions{});
  std::filesystem::remove(path);
  return loaded;
}

constexpr const char* kGreylists = R"(sluice: 1
policy: p
version: "1"
rules:
  - greylist: triplet
    stage: rcpt
    when: true
    key: [client.ip, sender.address, rcpt.address]
    delay: 5m
    remember: 20d
    auto_allow: {key: [client.ip], after: 1, for: 30d}
    then: defer 450 4.7.1
  - greylist: late
    stage: end
    when: true
    key: [helo.name, rcpt.address]
    delay: 5m
    then: defer 450 4.7.1
)";

// A store with the policy above, as `greylist` is asked.
struct Greylists {
  LoadedPolicy loaded = load(kGreylists);
  VirtualClock clock;
  backends::ReferenceStore store{clock};
  engine::Ledger ledger;

  ControlReply run(const json& arguments) {
    return greylist_command({store, ledger, loaded.program, clock.now()}, arguments);
  }
  ControlReply allow(const std::string& key, const std::string& keep = "") {
    return run(json{{"action", "allow"}, {"KEY", key}, {"for", keep}});
  }
  void submit(backends::StateOp op) {
    store.submit({std::move(op)}, [](const std::vector<backends::StateAnswer>&) {});
  }
  backends::GreylistState state_of(const policy::Rule& rule, const std::vector<std::string>& parts) {
    auto state = backends::GreylistState::Unknown;
    backends::GreylistLook look{engine::state_key(rule.greylist->state_key, parts),
                                engine::auto_allow_key(rule.greylist->state_key, {parts.data(), 1}),
                                rule.greylist->delay, rule.greylist->retry_within};
    store.submit({std::move(look)}, [&](const std::vector<backends::StateAnswer>& answers) {
      state = answers.at(0).greylist;
    });
    return state;
  }
  const policy::Rule& rule(std::size_t i) const { return loaded.program->rules().at(i); }
  void record(const policy::Rule& rule, const std::vector<std::string>& parts) {
    submit(backends::GreylistRecord{
        engine::state_key(rule.greylist->state_key, parts),
        engine::state_name(*loaded.program, rule, rule.greylist->key, parts),
        rule.greylist->retry_within});
  }
};

using backends::GreylistState;
const std::vector<std::string> kAnn{"192.0.2.7", "ann@far.example", "bob@example.com"};

}  // namespace

TEST_CASE("greylist allow: an entry passes by the name that show prints, whether seen before or not") {
  Greylists g;
  REQUIRE(g.loaded.program);
  const std::string name =
      "triplet client.ip=192.0.2.7 sender.address=ann@far.example rcpt.address=bob@example.com";
  const bool was_seen = GENERATE(false, true);
  if (was_seen) g.record(g.rule(0), kAnn);
  const ControlReply reply = g.allow(name);
  CHECK(reply.exit == kOk);
  CHECK(reply.text == "\"" + name + "\" passes for 20d\n");
  CHECK(json::parse(reply.json) == json{{"allowed", {{{"name", name}, {"for", "20d"}}}}});
  CHECK(g.state_of(g.rule(0), kAnn) == GreylistState::Passed);
  // Nobody came back: nothing counts for auto_allow.
  CHECK(g.state_of(g.rule(0), {"192.0.2.7", "eve@far.example", "bob@example.com"}) ==
        GreylistState::Unknown);
  g.clock.advance(std::chrono::hours(24 * 20));
  CHECK(g.state_of(g.rule(0), kAnn) == GreylistState::Unknown);
}

TEST_CASE("greylist allow: values are folded as the engine folds them, <> is the null sender") {
  Greylists g;
  REQUIRE(g.loaded.program);
  CHECK(g.allow("triplet client.ip=::ffff:192.0.2.7 sender.address=<> rcpt.address=Bob@Example.COM", "1h")
            .exit == kOk);
  CHECK(g.state_of(g.rule(0), {"192.0.2.7", "<>", "bob@example.com"}) == GreylistState::Passed);
  const ControlReply late =
      g.allow("late helo.name=MX.far.example rcpt.address=eve@example.com,Bob@example.com");
  CHECK(late.text ==
        "\"late helo.name=mx.far.example rcpt.address=bob@example.com,eve@example.com\" passes for 35d\n");
  CHECK(g.state_of(g.rule(1), {"mx.far.example", "bob@example.com,eve@example.com"}) ==
        GreylistState::Passed);
}

TEST_CASE("greylist allow: a part of the name means the entries that are there") {
  Greylists g;
  REQUIRE(g.loaded.program);
  const std::vector<std::string> eve{"192.0.2.8", "eve@far.example", "bob@example.com"},
      other{"192.0.2.8", "eve@near.example", "bob@example.com"};
  for (const auto& parts : {kAnn, eve, other}) g.record(g.rule(0), parts);
  const ControlReply reply = g.allow("far.example", "2h");
  CHECK(reply.exit == kOk);
  CHECK(json::parse(reply.json)["allowed"].size() == 2);
  CHECK(g.state_of(g.rule(0), kAnn) == GreylistState::Passed);
  CHECK(g.state_of(g.rule(0), eve) == GreylistState::Passed);
  CHECK(g.state_of(g.rule(0), other) == GreylistState::Waiting);
}

TEST_CASE("greylist allow: what names no entry is told, with the form of a name") {
  Greylists g;
  REQUIRE(g.loaded.program);
  const auto said = [&](const std::string& key) {
    const ControlReply reply = g.allow(key);
    CHECK(reply.exit == kNoInput);
    return reply.text;
  };
  CHECK(said("nothing") ==
        "no greylist entry has `nothing` in its name; the policy has no greylist `nothing`\n");
  for (const char* key : {"triplet", "triplet client.ip=192.0.2.7", "triplet sender.address=a@b.example",
                          "triplet client.ip=192.0.2.7 sender.address= rcpt.address=b@b.example",
                          "triplet client.ip=192.0.2.7 sender.address=a rcpt.address=b rcpt.address=c"})
    CHECK(said(key).find("is written `triplet client.ip=… sender.address=… rcpt.address=…`") !=
          std::string::npos);
  CHECK(said("triplet client.ip=here sender.address=a@b.example rcpt.address=b@b.example")
            .find("`here` is not an IP address") != std::string::npos);
  said("triplet client.ip=timeout sender.address=a@b.example rcpt.address=b@b.example");
  CHECK(g.allow("").exit == kUsage);
  CHECK(g.allow("triplet", "soon").exit == kUsage);
  CHECK(g.run(json{{"action", "show"}}).text == "nothing there\n");
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
