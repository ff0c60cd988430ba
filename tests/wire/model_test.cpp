// Random legal sessions in every combination of negotiated flags against the state machine of the
// wire engine, in process: each frame gets the answer that is due, and no other, and a step that was
// agreed to be silent gets none. SLUICE_MODEL_SESSIONS and SLUICE_MODEL_SEED make the long form
// (scripts/prove-wire).
#include <cstdlib>
#include <set>

#include "../unit/engine/engine_fixture.h"
#include "milter/frame.h"
#include "milter/wire_session.h"
#include "milter_peer/answers.h"
#include "milter_peer/requests.h"
#include "random_session.h"

using namespace sluice::wire_test;
namespace wire = sluice::milter::wire;
namespace peer = sluice::peer;

namespace {

constexpr std::uint32_t kSilentFlags = 0xff080;

std::size_t number_from(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoul(value, nullptr, 10);
}

class Source final : public sluice::milter::SessionSource {
 public:
  explicit Source(sluice::engine::Filter& filter) : filter_(filter) {}
  std::unique_ptr<sluice::engine::Session> begin() override {
    return std::make_unique<sluice::engine::Session>(filter_.services, filter_.program);
  }

 private:
  sluice::engine::Filter& filter_;
};

std::string rules_only(std::string policy) {
  return policy.substr(policy.find("rules:"));
}

// The letters of what came, a reply with its text.
std::string letters(const std::string& out) {
  peer::FrameReader frames;
  frames.feed(out);
  std::string seen;
  while (const auto frame = frames.next()) {
    seen += frame->code;
    if (frame->code == 'y') seen.append(frame->body.substr(0, frame->body.size() - 1));
  }
  return frames.is_broken() || frames.pending_bytes() > 0 ? "broken frames" : seen;
}

std::string due(const PlayedStep& step, const peer::Negotiation& agreed) {
  if (!step.is_asked || !agreed.answers(step.event)) return {};
  std::string all;
  for (const char edit : step.edits) {
    const std::uint32_t action = edit == 'i' ? 0x1 : edit == 'm' ? 0x10 : 0x20;
    if ((agreed.actions & action) != 0) all += edit;
  }
  return all + step.answer;
}

struct Played {
  wire::Shared& shared;
  wire::WireSession session{shared};
  bool is_closed = false;

  std::string take(std::string_view bytes) {
    std::string out;
    wire::Frame frame;
    while (!bytes.empty() && !is_closed) {
      const auto state = wire::take_frame(bytes, session.max_frame(), frame);
      const auto next = state == wire::FrameState::Whole ? session.take(frame, out)
                                                         : wire::WireSession::Next::Close;
      is_closed = next == wire::WireSession::Next::Close;
      if (!is_closed && next != wire::WireSession::Next::Frame) return "parked";
    }
    return out;
  }
};

// Nothing, or what was wrong.
std::string play(wire::Shared& shared, RandomSessions& random, std::set<std::uint32_t>& seen_flags) {
  peer::Offer offer;
  offer.version = 2 + random.below(5);
  if (random.below(2) == 0) offer.actions = random.bits() & peer::kAllActions;
  if (random.below(2) == 0) offer.steps = random.bits() & (peer::kAllSteps | 0x30000000u);
  shared.silent = random.bits() & kSilentFlags;
  Played played{shared};
  std::string bytes;
  peer::append_negotiate(bytes, offer);
  const std::string reply = played.take(bytes);
  const auto agreed = reply.size() < 5 ? std::nullopt : peer::parse_negotiation(reply.substr(5));
  if (!agreed || (agreed->steps & ~offer.steps) != 0 || (agreed->actions & ~offer.actions) != 0)
    return "more was agreed than offered";
  seen_flags.insert(agreed->steps & kSilentFlags);
  const bool broken = random.below(8) == 0;
  const PlayedSession script = random.next({agreed->steps, agreed->actions}, broken);
  // After a refusal that stayed unsaid the two sides are of different minds about the message: what
  // is answered is then open, that it is answered is not.
  bool is_of_one_mind = true;
  for (std::size_t i = 0; i < script.steps.size(); ++i) {
    const PlayedStep& step = script.steps[i];
    const bool must_close = broken && i + 1 == script.steps.size();
    const std::string answer = played.take(step.bytes), wanted = due(step, *agreed);
    if (step.is_asked && step.answer != "c" && wanted.empty()) is_of_one_mind = false;
    const bool is_due =
        is_of_one_mind ? letters(answer) == wanted : answer.empty() == wanted.empty();
    if (!is_due || played.is_closed != must_close)
      return "step " + std::to_string(i) + " frame '" + step.bytes.substr(4, 1) + "': " +
             letters(answer) + (played.is_closed ? " closed" : "") + " instead of " + wanted;
  }
  return {};
}

}  // namespace

TEST_CASE("wire model: every frame of any legal session gets the answer that is due") {
  sluice::engine::Filter filter(rules_only(kPlayedPolicy));
  Source source(filter);
  wire::Shared shared;
  shared.source = &source;
  RandomSessions random(static_cast<std::uint32_t>(number_from("SLUICE_MODEL_SEED", 20261125)));
  const std::size_t sessions = number_from("SLUICE_MODEL_SESSIONS", 20'000);
  std::set<std::uint32_t> flags;
  for (std::size_t i = 0; i < sessions; ++i) {
    filter.records.all.clear();
    const std::string wrong = play(shared, random, flags);
    INFO("session " << i);
    REQUIRE(wrong == "");
  }
  CHECK(shared.open == 0);
  CHECK(shared.served == sessions);
  CHECK(flags.size() > std::min<std::size_t>(sessions / 50, 500));
  WARN(sessions << " sessions, " << flags.size() << " of 512 combinations of silent steps");
}
