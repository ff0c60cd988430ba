// conversation.h - one SMTP session as the MTA tells it to the filter: what comes next, what an
// answer ends. No sockets and no clock: the generator brings bytes and time.
//
// A refused MAIL, DATA or message ends the message, a refused RCPT only that recipient (without any
// left the message ends), `accept` ends what the filter sees of the message (at connect and HELO:
// of the session), `skip` the body. As Postfix does, ABORT goes before each further MAIL.
#pragma once

#include <cstddef>
#include <string>

#include "load/script.h"
#include "milter_peer/answers.h"
#include "milter_peer/frame.h"

namespace sluice::load {

class Conversation {
 public:
  enum class Need { Answer, Pause, End };
  enum class Outcome { Open, Delivered, Refused };

  Conversation(std::size_t messages, std::size_t client)
      : messages_left_(messages), client_(client) {}

  // Appends what the MTA sends until it has to wait: for an answer, for its client, or never again.
  Need proceed(const Script& script, bool client_pauses, std::string& out);
  // The awaited answer. Tells whether the message ended with it, and how.
  Outcome take(const Script& script, peer::AnswerCode code);

  peer::Event awaited() const { return awaited_; }

 private:
  const std::vector<Step>& steps(const Script& script) const {
    return in_message_ ? script.message() : script.opening();
  }
  void end_message();
  Outcome refuse();
  Outcome accept();

  std::size_t messages_left_;
  std::size_t client_;
  std::size_t position_ = 0;
  std::size_t accepted_rcpts_ = 0;
  bool in_message_ = false;
  bool is_first_message_ = true;
  bool has_rested_ = false;
  peer::Event awaited_ = peer::Event::Connect;
};

}  // namespace sluice::load
