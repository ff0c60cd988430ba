#include "app/state_commands.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

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
