#include "milter/wire_answers.h"

#include "milter/replies.h"

#include <algorithm>
#include <array>

#include "milter/frame.h"

namespace sluice::milter::wire {
namespace {

using Kind = mail::Edit::Kind;

// A C string on the other side: ends at its first NUL.
void append_text(std::string& body, std::string_view text) {
  body.append(text.substr(0, text.find('\0'))).push_back('\0');
}

std::uint32_t action_of(Kind kind) {
  switch (kind) {
    case Kind::AddHeader:
    case Kind::InsertHeader:
      return action::kAddHeaders;
    case Kind::SetHeader:
    case Kind::RemoveHeader:
      return action::kChangeHeaders;
    case Kind::AddRecipient:
      return action::kAddRecipients;
    case Kind::RemoveRecipient:
      return action::kRemoveRecipients;
    case Kind::SetSender:
      return action::kChangeSender;
    case Kind::Footer:
      return action::kChangeBody;
    case Kind::Quarantine:
      return action::kQuarantine;
  }
  return 0;
}

// "550-5.7.1 a CRLF 550 5.7.1 b NUL"
std::string reply_text(const WireReply& reply) {
  std::string text;
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    const bool is_last = i + 1 == reply.lines.size();
    text.append(reply.code).append(is_last ? " " : "-").append(reply.status).append(" ");
    text.append(reply.lines[i]).append(is_last ? "" : "\r\n");
  }
  return text;
}

}  // namespace

void AnswerWriter::send(AnswerCode code, std::string_view body) {
  if (body.size() <= kMaxSentBody) append_frame(out_, static_cast<char>(code), body);
}

void AnswerWriter::text(AnswerCode code, std::string_view text) {
  std::string body;
  append_text(body, text);
  send(code, body);
}

void AnswerWriter::finish(std::uint32_t silent, const WireReply& reply) {
  if (agreement_.is_declined(silent)) return;
  static constexpr std::array<AnswerCode, 4> kPlain{AnswerCode::Continue, AnswerCode::Reject,
                                                    AnswerCode::Tempfail, AnswerCode::Discard};
  if (reply.lines.empty()) return send(kPlain[static_cast<std::size_t>(reply.disposition)], {});
  text(AnswerCode::ReplyCode, reply_text(reply));
}

void AnswerWriter::header(AnswerCode code, const mail::Edit& edit, int index,
                          std::string_view value) {
  std::string body;
  append_u32(body, static_cast<std::uint32_t>(index));
  append_text(body, edit.name);
  append_text(body, value);
  send(code, body);
}

void AnswerWriter::body(std::string_view whole) {
  for (std::size_t at = 0; at < whole.size(); at += kMaxSentBody)
    send(AnswerCode::ReplaceBody, whole.substr(at, kMaxSentBody));
}

void AnswerWriter::edit(const mail::Edit& edit, const HeaderCount& count) {
  if (!agreement_.may(action_of(edit.kind))) return;
  // With HDR_LEADSPC the blank behind the colon is the filter's own.
  const std::string value = (agreement_.has_leading_space() ? " " : "") + edit.value;
  switch (edit.kind) {
    case Kind::AddHeader:
      return header(AnswerCode::InsertHeader, edit, kBehindAllFields, value);
    case Kind::InsertHeader:
      return header(AnswerCode::InsertHeader, edit, edit.index, value);
    case Kind::SetHeader:
      return header(AnswerCode::ChangeHeader, edit, std::max(1, edit.index), value);
    case Kind::RemoveHeader:
      if (edit.index > 0) return header(AnswerCode::ChangeHeader, edit, edit.index, {});
      // From the highest down: removing one shifts those behind it on Postfix.
      for (int i = count(edit.name); i >= 1; --i) header(AnswerCode::ChangeHeader, edit, i, {});
      return;
    case Kind::AddRecipient:
      return text(AnswerCode::AddRecipient, edit.name);
    case Kind::RemoveRecipient:
      return text(AnswerCode::RemoveRecipient, edit.name);
    case Kind::SetSender:
      return text(AnswerCode::ChangeSender, edit.name);
    case Kind::Footer:
      return body(edit.value);
    case Kind::Quarantine:
      return text(AnswerCode::Quarantine, edit.name);
  }
}

void AnswerWriter::progress() { send(AnswerCode::Progress, {}); }

}  // namespace sluice::milter::wire
