#include "milter/replies.h"

namespace sluice::milter {
namespace {

std::string double_percent(const std::string& text) {
  std::string result;
  for (const char c : text) result.append(c == '%' ? 2 : 1, c);
  return result;
}

}  // namespace

WireReply to_wire(const mail::Verdict& verdict) {
  WireReply wire;
  if (verdict.action == mail::Action::Discard) wire.disposition = Disposition::Discard;
  if (verdict.reply.empty()) return wire;
  wire.disposition = verdict.reply.is_temporary() ? Disposition::Tempfail : Disposition::Reject;
  wire.code = std::to_string(verdict.reply.code());
  wire.status = verdict.reply.status().to_string();
  for (const std::string& line : verdict.reply.lines()) wire.lines.push_back(double_percent(line));
  return wire;
}

}  // namespace sluice::milter
