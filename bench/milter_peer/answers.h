// answers.h - what a filter says: the negotiation, the answer to an event, the edits at the end.
//
// Parsing never fails loudly on what a filter may legally send; what no filter may send gives
// nullopt (the caller reports the frame). Values own their text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "milter_peer/frame.h"
#include "milter_peer/protocol.h"

namespace sluice::peer {

inline constexpr std::size_t kMaxMacroNames = 256;  // of one stage's list

struct Negotiation {
  std::uint32_t version = 0;
  std::uint32_t actions = 0;
  std::uint32_t steps = 0;
  // The macro names the filter asks for, by EventRule::macro_stage; nullopt: the MTA's own list.
  std::array<std::optional<std::vector<std::string>>, kMacroStages> macros;

  bool takes(Event event) const { return (steps & rule_of(event).declined) == 0; }
  bool answers(Event event) const { return (steps & rule_of(event).silent) == 0; }
};

// The body of the filter's negotiate frame; nullopt if it is shorter than its three numbers or its
// macro lists do not end in NULs.
std::optional<Negotiation> parse_negotiation(std::string_view body);

// An edit of the message, sent before the final answer to the end of the body.
struct Edit {
  AnswerCode code = AnswerCode::AddHeader;
  std::uint32_t index = 0;         // of InsertHeader and ChangeHeader
  std::vector<std::string> texts;  // header: name, value; recipients and sender: address,
                                   // parameters; ReplaceBody: one chunk; Quarantine: the reason
};

// The answer that ends an event.
struct Answer {
  enum class Kind { NotAsked, Final, Closed };
  Kind kind = Kind::NotAsked;  // NotAsked: the step is declined, silent or skipped
  AnswerCode code = AnswerCode::Continue;
  std::string reply;  // of ReplyCode, as on the wire: lines joined by CRLF, `%` still doubled
  std::vector<Edit> edits;
  int progress = 0;  // how many times the filter asked for more time

  bool is(AnswerCode wanted) const { return kind == Kind::Final && code == wanted; }
  // The client may go on: the filter said so or was not asked.
  bool lets_pass() const;
};

// What one frame is: part of the answer, its end, or nothing a filter may say.
enum class AnswerPart { Edit, Progress, Final, Invalid };
AnswerPart part_of(const Frame& frame);

std::optional<Edit> parse_edit(const Frame& frame);

// The reply as an SMTP client sees it through Postfix: `%%` is `%`.
std::string undouble_percent(std::string_view reply);

}  // namespace sluice::peer
