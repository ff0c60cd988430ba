#include "load/conversation.h"

#include "milter_peer/requests.h"

namespace sluice::load {

using peer::AnswerCode;
using peer::Event;

Conversation::Need Conversation::proceed(const Script& script, bool client_pauses,
                                         std::string& out) {
  while (true) {
    if (!in_message_ && position_ == script.opening().size()) {
      in_message_ = true;
      position_ = 0;
    }
    if (in_message_ && position_ == script.message().size()) end_message();
    if (messages_left_ == 0) {
      peer::append_bare(out, peer::Command::Quit);
      return Need::End;
    }
    const Step& step = steps(script)[position_];
    if (step.event == Event::Data && accepted_rcpts_ == 0) {
      // All refused at RCPT: the client gives up.
      end_message();
      continue;
    }
    if (client_pauses && step.client_acts && !has_rested_) {
      has_rested_ = true;
      return Need::Pause;
    }
    has_rested_ = false;
    ++position_;
    if (step.event == Event::Rcpt && !step.is_answered) ++accepted_rcpts_;
    if (!step.is_sent) continue;
    if (step.event == Event::Mail && !is_first_message_)
      peer::append_bare(out, peer::Command::Abort);
    script.append(step, client_, out);
    if (step.is_answered) {
      awaited_ = step.event;
      return Need::Answer;
    }
  }
}

Conversation::Outcome Conversation::take(const Script& script, AnswerCode code) {
  switch (code) {
    case AnswerCode::Continue:
      if (awaited_ == Event::Rcpt) ++accepted_rcpts_;
      return awaited_ == Event::EndOfBody ? accept() : Outcome::Open;
    case AnswerCode::Skip:
      position_ = script.end_of_body();
      return Outcome::Open;
    case AnswerCode::Accept:
    case AnswerCode::Discard:
      return accept();
    default:
      return refuse();
  }
}

void Conversation::end_message() {
  --messages_left_;
  in_message_ = true;
  is_first_message_ = false;
  position_ = 0;
  accepted_rcpts_ = 0;
}

Conversation::Outcome Conversation::accept() {
  if (!in_message_) messages_left_ = 1;
  end_message();
  return Outcome::Delivered;
}

Conversation::Outcome Conversation::refuse() {
  if (awaited_ == Event::Rcpt) return Outcome::Open;
  if (!in_message_) messages_left_ = 1;
  end_message();
  return Outcome::Refused;
}

}  // namespace sluice::load
