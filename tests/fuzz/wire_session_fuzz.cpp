// rooms: milter peer
// Whatever an MTA's socket may bring to the wire engine: frames in any cut, a session in any order.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backends/reference_store.h"
#include "facts/fact.h"
#include "milter/frame.h"
#include "milter/wire_session.h"
#include "milter_peer/answers.h"
#include "milter_peer/frame.h"
#include "policy/policy_source.h"
#include "require.h"

namespace {

using sluice::fuzz::require;
namespace wire = sluice::milter::wire;
namespace peer = sluice::peer;
using Next = wire::WireSession::Next;

constexpr const char* kPolicy = R"(
sluice: 1
policy: fuzz
rules:
  - rule: command
    stage: command
    when: command.count > 3
    then: reject 502 5.5.1
  - rule: sender
    stage: mail
    when: sender.localpart starts_with "a"
    reply_at: stage
    then: reject 550 5.7.1
  - rule: recipient
    stage: rcpt
    when: rcpt.localpart starts_with "b"
    then: defer 450 4.7.1
  - rule: data
    stage: data
    when: any(rcpts, rcpt.localpart == "d")
    then: defer 451 4.7.1
  - rule: subject
    stage: headers
    when: subject.text contains "x"
    then: reject 541
  - rule: text
    stage: end
    when: body.text contains "y"
    then: [header X-Mark = "yes", remove header "X-Spam"]
  - rule: held
    stage: end
    when: body.text contains "z"
    then: quarantine "z"
)";

class World final : public sluice::milter::SessionSource {
 public:
  World() {
    sluice::Diagnostics diagnostics;
    const auto source = sluice::policy::load_policy_text("fuzz.yaml", kPolicy, diagnostics);
    program_ = sluice::policy::compile(source, sluice::facts::built_in_vocabulary(), {}, diagnostics);
    require(program_ != nullptr, "the policy loads");
    services_.clock = &clock_;
    services_.store = &store_;
    services_.reply_id = false;  // it is drawn anew for each refusal
  }
  std::unique_ptr<sluice::engine::Session> begin() override {
    return std::make_unique<sluice::engine::Session>(services_, program_);
  }

 private:
  sluice::VirtualClock clock_{sluice::TimePoint{std::chrono::hours{24 * 20'000}}};
  sluice::backends::ReferenceStore store_{clock_};
  sluice::engine::Services services_;
  sluice::policy::ProgramPtr program_;
};

// All that the engine says to `bytes`, which come in pieces of `cut`.
std::string said_to(std::string_view bytes, std::size_t cut) {
  static World world;
  wire::Shared shared;
  shared.source = &world;
  wire::WireSession session(shared);
  std::string in, out;
  for (std::size_t at = 0; at < bytes.size(); at += cut) {
    in.append(bytes.substr(at, cut));
    std::string_view rest = in;
    for (;;) {
      wire::Frame frame;
      const std::size_t before = rest.size();
      const auto state = wire::take_frame(rest, session.max_frame(), frame);
      if (state == wire::FrameState::Broken) return out;
      if (state == wire::FrameState::Partial) break;
      require(rest.size() < before, "a frame takes bytes");
      Next next = session.take(frame, out);
      for (int passes = 0; next == Next::Park; ++passes) {
        require(passes < 10, "a session does not wait for ever");
        next = session.resume(true, out);
      }
      if (next == Next::Close) return out;
      require(next == Next::Frame, "nothing here is delayed");
    }
    in.erase(0, in.size() - rest.size());
    require(in.size() < session.max_frame() + 4, "no more than one frame is kept");
  }
  return out;
}

void check_answers(const std::string& out) {
  peer::FrameReader frames;
  frames.feed(out);
  bool is_first = true;
  while (const auto frame = frames.next()) {
    if (std::exchange(is_first, false)) {
      require(frame->code == 'O', "the first answer is the negotiation's");
      require(peer::parse_negotiation(frame->body).has_value(), "which can be read");
    } else {
      require(peer::part_of(*frame) != peer::AnswerPart::Invalid, "the MTA knows every answer");
    }
  }
  require(!frames.is_broken() && frames.pending_bytes() == 0, "answers are whole frames");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::string whole = said_to(text, size + 1);
  check_answers(whole);
  require(said_to(text, 1) == whole, "the cut changes nothing");
  require(said_to(text, 7) == whole, "the cut changes nothing");
  return 0;
}
