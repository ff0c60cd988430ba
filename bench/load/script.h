// script.h - what one session says, worked out once from the filter's negotiation.
//
// A session is the opening (connect, HELO) and then, for each message, MAIL to the final dot. A
// step that the filter declined is in the script only where the client itself acts and may pause.
// Immutable once made; read by all sessions of a thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "load/options.h"
#include "milter_peer/answers.h"
#include "milter_peer/protocol.h"

namespace sluice::load {

struct Step {
  peer::Event event;
  bool client_acts;  // the client sends a command here: it may pause before it
  bool is_sent;
  bool is_answered;
  std::size_t index;  // which recipient, header or chunk
};

class Script {
 public:
  Script(const LoadOptions& options, const peer::Negotiation& negotiation);

  const std::vector<Step>& opening() const { return opening_; }
  const std::vector<Step>& message() const { return message_; }
  // Index in message() of the end of the body: where a filter that skips the body goes on.
  std::size_t end_of_body() const { return message_.size() - 1; }

  // Appends the macros and the frame of a step, as the client `client` would cause them.
  void append(const Step& step, std::size_t client, std::string& out) const;

 private:
  void add(std::vector<Step>& steps, peer::Event event, bool client_acts, std::size_t index = 0);
  void append_step_macros(peer::Event event, std::size_t client, std::string& out) const;

  peer::Negotiation negotiation_;
  std::vector<Step> opening_;
  std::vector<Step> message_;
  std::string body_;
};

}  // namespace sluice::load
