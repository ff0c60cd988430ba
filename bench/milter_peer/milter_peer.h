// milter_peer.h - the MTA's side of one milter session, blocking.
//
// Attaching negotiates; each event is then one call that sends the macros and the frame, unless the
// filter declined the step, and waits for the answer, unless the filter is silent there. Declined,
// silent and skipped events answer Kind::NotAsked. A filter that closes the connection answers
// Kind::Closed (an MTA then takes its default action); what no filter may send, and a filter that
// does not answer in time, is an Error.
//
// The session does not think for the caller: order, and what a rejection ends, are the caller's, so
// that a test may also do it wrong. One thread at a time; closing is the destructor's (without
// QUIT).
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "milter_peer/answers.h"
#include "milter_peer/frame.h"
#include "milter_peer/link.h"
#include "milter_peer/protocol.h"
#include "milter_peer/requests.h"

namespace sluice::peer {

class MilterPeer {
 public:
  static Result<MilterPeer> attach(const Endpoint& endpoint, const Offer& offer = {},
                                   std::chrono::milliseconds timeout = std::chrono::seconds(60));

  const Negotiation& negotiation() const { return negotiation_; }

  // The macros this MTA knows, by name (`i`, `{auth_authen}`). Before an event those are sent that
  // the filter asked for, without a list of its own those in the MTA's default list of the stage.
  void know_macro(std::string name, std::string value);
  void forget_macro(const std::string& name);

  Result<Answer> connect(const ClientAddress& client = {});
  Result<Answer> helo(std::string_view name);
  // `arguments`: the address in its brackets, then ESMTP parameters ("SIZE=1200").
  Result<Answer> mail(const std::vector<std::string_view>& arguments);
  Result<Answer> rcpt(const std::vector<std::string_view>& arguments);
  Result<Answer> data();
  Result<Answer> header(std::string_view name, std::string_view value);
  Result<Answer> end_of_headers();
  Result<Answer> body(std::string_view chunk);  // at most kMaxChunkBytes for an honest MTA
  Result<Answer> end_of_body();
  Result<Answer> unknown(std::string_view line);
  Result<void> abort();
  Result<void> quit();

  // Bytes as they are, and the next frame of the filter, for what no honest MTA would do.
  Link& link() { return link_; }
  Result<Answer> read_answer();

 private:
  MilterPeer(Link link, std::chrono::milliseconds timeout)
      : link_(std::move(link)), timeout_(timeout) {}

  Result<void> negotiate(const Offer& offer);
  Result<std::optional<Frame>> next_frame();
  void append_macros_for(Event event, std::string& out) const;
  Result<Answer> ask(Event event, const std::vector<std::string_view>& texts);
  Result<Answer> ask_frame(Event event, const std::string& frame);

  Link link_;
  std::chrono::milliseconds timeout_;
  FrameReader frames_;
  Negotiation negotiation_;
  std::map<std::string, std::string> macros_;
  bool body_skipped_ = false;
};

}  // namespace sluice::peer
