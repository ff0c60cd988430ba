// rooms: app
// Postfix logs, decision logs and kept messages from strangers: whatever the bytes, every event
// keeps its caps and its order, and nothing is read outside of the input.
#include <cstdint>
#include <string>

#include "app/replay_decision_log.h"
#include "app/replay_mail_file.h"
#include "app/replay_postfix_log.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::app;
using fuzz::require;

void check_event(const ReplayEvent& event) {
  require(event.recipients.size() <= kMaxReplayRecipients, "recipients are capped");
  require(event.sender.size() <= kMaxReplayText, "senders are cut");
  for (const ReplayRecipient& recipient : event.recipients)
    require(
        recipient.address.size() <= kMaxReplayText && recipient.refusal.size() <= kMaxReplayText,
        "recipients are cut");
}

template <class Source>
void check_source(const std::string& text, bool is_ordered) {
  Source source(std::make_unique<LineReader>(text));
  TimePoint last = TimePoint::min();
  for (ReplayEvent event; source.next(event); event = ReplayEvent()) {
    check_event(event);
    if (is_ordered) require(event.at >= last, "events come in the order of their time");
    last = event.at;
  }
  require(source.position() == text.size(), "everything was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_source<PostfixLog>(text, true);
  check_source<DecisionLogSource>(text, false);
  ReplayEvent event;
  event_of_message(text, TimePoint{}, event);
  parse_postfix_rejection(text);
  parse_postfix_client(text);
  parse_postfix_tls(text);
  return 0;
}
