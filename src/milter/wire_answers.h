// AnswerWriter: verdicts, edits and progress as frames of the milter protocol. What was not agreed
// cannot be written: a step that is silent has no answer, an action the MTA does not take is left
// out, and so is a text longer than an MTA reads.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "mail/verdict.h"
#include "milter/agreement.h"
#include "milter/replies.h"

namespace sluice::milter::wire {

// How many fields of this name the message has.
using HeaderCount = std::function<int(std::string_view name)>;

class AnswerWriter {
 public:
  AnswerWriter(const Agreement& agreement, std::string& out) : agreement_(agreement), out_(out) {}

  // The last frame of an answer. `silent`: the no-reply flag of the step; when it was agreed nothing
  // is written.
  void finish(std::uint32_t silent, const WireReply& reply);
  // Before the last frame of the end of a message.
  void edit(const mail::Edit& edit, const HeaderCount& count);
  // More time is needed; only at the end of a message (elsewhere Sendmail takes it for an error).
  void progress();

 private:
  void header(AnswerCode code, const mail::Edit& edit, int index, std::string_view value);
  void text(AnswerCode code, std::string_view text);
  void body(std::string_view whole);
  void send(AnswerCode code, std::string_view body);

  const Agreement& agreement_;
  std::string& out_;
};

}  // namespace sluice::milter::wire
