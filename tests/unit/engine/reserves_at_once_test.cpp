// A store in memory that is asked for each limit on the spot: verdicts and use are those of one that
// is submitted to.
#include "backends/reserves_at_once.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

class OnTheSpot final : public backends::StoreInFront, public backends::ReservesAtOnce {
 public:
  using StoreInFront::StoreInFront;
  int asked = 0, committed = 0;
  bool is_away = false, takes_commits = false;

  bool answers_at_once() const override { return true; }
  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override {
    behind_.submit(std::move(ops), std::move(done));
  }
  std::optional<backends::StateAnswer> reserve_at_once(const backends::Reserve& op) override {
    ++asked;
    std::optional<backends::StateAnswer> answer;
    if (is_away) {
      answer.emplace().available = false;
      return answer;
    }
    behind_.submit({op}, [&](const std::vector<backends::StateAnswer>& all) { answer = all.at(0); });
    return answer;
  }
  bool commit_at_once(std::span<const backends::Reserve* const> reserved) override {
    if (!takes_commits) return false;
    std::vector<backends::StateOp> ops;
    for (const backends::Reserve* one : reserved)
      ops.emplace_back(backends::Commit{one->id, one->key, one->name, one->n, one->windows,
                                        one->bucket, one->distinct});
    committed += static_cast<int>(ops.size());
    behind_.submit(std::move(ops), [](const std::vector<backends::StateAnswer>&) {});
    return true;
  }
};

constexpr const char* kRules = R"(
rules:
  - rule: never-him
    stage: rcpt
    when: rcpt.localpart == "never"
    then: reject 550 5.1.1
  - limit: per-client
    stage: rcpt
    key: client.ip
    count: messages
    max: 3/1h
    on_error: defer
    then: defer 450 4.7.1
  - limit: per-recipient
    stage: rcpt
    key: rcpt.address
    count: recipients
    max: [2/1h, 3/1d]
    on_error: defer
    then: defer 452 4.7.1
)";

std::vector<std::string> play(Filter& filter) {
  std::vector<std::string> seen;
  for (int n = 0; n < 5; ++n) {
    Client client(filter);
    seen.push_back(client.connect() + client.helo() + client.mail());
    for (const char* path : {"<bob@example.com>", "<never@example.com>", "<eve@example.com>"})
      seen.push_back(client.rcpt(path));
    if (n != 1) seen.push_back(client.data() + client.end());
  }
  for (const char* limit : {"per-client", "per-recipient"})
    seen.push_back(std::to_string(filter.used(limit)) + " and " +
                   std::to_string(filter.reserved(limit)));
  return seen;
}

}  // namespace

TEST_CASE("limits: a store that answers on the spot gives the verdicts of one that is submitted to") {
  Filter submitted(kRules), asked(kRules);
  OnTheSpot store(asked.memory);
  asked.services.store = &store;
  const auto expected = play(submitted);
  CHECK(play(asked) == expected);
  CHECK(store.asked > 0);
  CHECK(submitted.reserved("") == 0);
  CHECK(asked.reserved("") == 0);

  Filter committed(kRules);
  OnTheSpot taking(committed.memory);
  taking.takes_commits = true;
  committed.services.store = &taking;
  CHECK(play(committed) == expected);
  CHECK(taking.committed > 0);
  CHECK(committed.reserved("") == 0);
  CHECK(std::find(expected.begin(), expected.end(), "452 4.7.1 per-recipient") != expected.end());
}

TEST_CASE("limits: what a store on the spot does not know is away") {
  Filter filter(kRules);
  OnTheSpot store(filter.memory);
  store.is_away = true;
  filter.services.store = &store;
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>").substr(0, 1) == "4");
  CHECK(client.last.record.degraded);
}
