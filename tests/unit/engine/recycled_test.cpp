// What events leave behind for the next: nothing but room. And what is told to those who only count.
#include "engine/recycled.h"

#include "engine/session_state.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

TEST_CASE("recycled: a limit's use is as newly made, and keeps the room of its key") {
  Ledger ledger;
  const LimitUse* place = nullptr;
  {
    auto use = make_recycled<LimitUse>();
    place = use.get();
    use->rule = 3;
    use->how = LimitUse::How::Peek;
    use->asked.id = 7;
    use->asked.key = std::string(100, 'k');
    use->asked.n = 5;
    use->asked.windows = {{1, Duration{1'000}}};
    use->asked.bucket = backends::Bucket{1, {1, Duration{1'000}}};
    use->asked.distinct = "value";
    use->asked.even_if_exceeded = true;
    use->at_once.emplace();
    use->slot = std::make_shared<StateSlot>();
    use->local.emplace();
    use->is_held = use->was_committed = use->is_local = true;
    use->accepted_by = 2;
    ledger.hold(use->lease, use->asked.id, use->asked.key);
    CHECK(ledger.held() == 1);
  }
  CHECK(ledger.held() == 0);
  const auto next = make_recycled<LimitUse>();
  REQUIRE(next.get() == place);
  CHECK(next->rule == 0);
  CHECK(next->how == LimitUse::How::Reserve);
  CHECK(next->asked.id == 0);
  CHECK(next->asked.key.empty());
  CHECK(next->asked.key.capacity() >= 100);
  CHECK(next->asked.n == 1);
  CHECK(next->asked.windows.empty());
  CHECK_FALSE(next->asked.bucket);
  CHECK_FALSE(next->asked.distinct);
  CHECK_FALSE(next->asked.even_if_exceeded);
  CHECK(next->answer() == nullptr);
  CHECK_FALSE(next->local);
  CHECK_FALSE((next->is_held || next->was_committed || next->is_local));
  CHECK(next->accepted_by == 0);
}

TEST_CASE("recycled: an outcome and a transaction say nothing of those before them") {
  {
    auto out = make_recycled<StageOutcome>();
    out->is_pending = true;
    out->strong.strength = out->weak.strength = Found::Strength::Strong;
    out->answer.code = 550;
    out->reply_text = out->reply_help = "no";
    out->results = "none";
    out->would.emplace_back(1, Would{});
    out->unknown.emplace_back("fact");
    out->trace.emplace_back();
    out->exemptions = {1, 2};
    out->delay = Duration{5};
    auto transaction = make_recycled<Transaction>();
    transaction->marks.emplace_back();
    transaction->tried = transaction->failed = 4;
    transaction->is_open = transaction->has_content = true;
    transaction->claims = {1};
    transaction->paused = TimePoint{};
    transaction->at_data.emplace();
  }
  const auto out = make_recycled<StageOutcome>();
  CHECK_FALSE((out->is_pending || out->strong || out->weak || out->results.has_value()));
  CHECK(out->answer.code == 0);
  CHECK((out->reply_text.empty() && out->reply_help.empty()));
  CHECK((out->would.empty() && out->unknown.empty() && out->trace.empty()));
  CHECK(out->exemptions.empty());
  CHECK(out->delay == Duration{0});
  const auto transaction = make_recycled<Transaction>();
  CHECK((transaction->marks.empty() && transaction->claims.empty() && !transaction->at_data));
  CHECK((transaction->tried == 0 && transaction->failed == 0));
  CHECK_FALSE((transaction->is_open || transaction->has_content || transaction->paused));
}

TEST_CASE("recycled: a message that ends leaves a large buffer to nobody") {
  {
    auto use = make_recycled<LimitUse>();
    use->asked.key = std::string(100'000, 'k');
  }
  CHECK(make_recycled<LimitUse>()->asked.key.capacity() < 1'000);
}

namespace {

// Reads the texts of refusals alone.
class Counting final : public DecisionSink {
 public:
  std::vector<DecisionRecord> all;
  bool reads_texts(const DecisionRecord& record) const override {
    return record.verdict.action != mail::Action::Continue;
  }
  void decided(const DecisionRecord& record) override { all.push_back(record); }
};

}  // namespace

TEST_CASE("records: names and addresses are told where they are read") {
  Filter filter(R"(
rules:
  - rule: never-him
    stage: rcpt
    when: rcpt.localpart == "never"
    then: reject 550 5.1.1
)");
  Counting counting;
  filter.services.sink = &counting;
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<never@example.com>") == "550 5.1.1 never-him");
  REQUIRE(counting.all.size() == 5);
  const DecisionRecord& accepted = counting.all[3];
  CHECK(accepted.stage == mail::Stage::Rcpt);
  CHECK(accepted.sid.empty());
  CHECK(accepted.from.empty());
  CHECK_FALSE(accepted.policy.empty());
  const DecisionRecord& refused = counting.all[4];
  CHECK(refused.sid == client.session->sid());
  CHECK(refused.from == "<ann@far.example>");
  CHECK(refused.to == "<never@example.com>");
  CHECK(refused.client == "203.0.113.9");
}

TEST_CASE("events: connect and helo that left nothing are decided again over their own time") {
  Filter filter(R"(
rules:
  - rule: from-there
    stage: connect
    when: client.ip in ["203.0.113.0/24"]
    then: reject 554 5.7.1
  - exempt: friends
    stage: rcpt
    when: rcpt.localpart == "postmaster"
    from: [from-there]
)");
  Client client(filter);
  client.connect(), client.helo();
  for (int message = 0; message < 3; ++message) {
    CHECK(client.mail() == "250");
    CHECK(client.rcpt("<bob@example.com>") == "554 5.7.1 from-there");
    CHECK(client.rcpt("<postmaster@example.com>") == "250");
  }
}
