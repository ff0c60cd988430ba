#include "backends/smtp_reply.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace sluice::backends {
namespace {

constexpr std::size_t kMaxSummary = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// "5.1.1" in front, as RFC 2034 has it, or "(#5.1.1)" somewhere, as qmail writes it.
std::optional<mail::EnhancedStatus> status_of(std::string_view text, int status_class) {
  const std::string_view first_line = text.substr(0, text.find('\n'));
  auto status = mail::EnhancedStatus::parse(first_line.substr(0, first_line.find_first_of(" \t")));
  if (!status) {
    const std::size_t at = first_line.find("(#");
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = first_line.substr(at + 2);
    status = mail::EnhancedStatus::parse(rest.substr(0, rest.find(')')));
  }
  return status && status->status_class == status_class ? status : std::nullopt;
}

}  // namespace

bool SmtpReply::has_keyword(std::string_view word) const {
  std::string_view rest = text;
  for (;;) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (equal_folded(line.substr(0, line.find_first_of(" =")), word)) return true;
    if (line.size() == rest.size()) return false;
    rest.remove_prefix(line.size() + 1);
  }
}

std::string SmtpReply::summary() const {
  std::string line = std::to_string(code) + " " + text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (line.size() > kMaxSummary) line.resize(kMaxSummary);
  return line;
}

SmtpReplyParser::Found SmtpReplyParser::take(std::string_view& bytes, SmtpReply& reply) {
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    if (line_.size() + end > kMaxReplyLine) return Found::Malformed;
    line_ += bytes.substr(0, end);
    if (end == bytes.size()) {
      bytes = {};
      return Found::Nothing;
    }
    bytes.remove_prefix(end + 1);
    if (!take_line()) return Found::Malformed;
    if (!is_last_) continue;
    reply_.status = status_of(reply_.text, reply_.code / 100);
    reply = std::exchange(reply_, {});
    lines_ = 0;
    return Found::Reply;
  }
  return Found::Nothing;
}

// CODE, then a blank or nothing (the last line) or a hyphen. Codes of lines before the last are not
// compared with it: servers that mix them mean the last one.
bool SmtpReplyParser::take_line() {
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  const std::string line = std::exchange(line_, {});
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit)) return false;
  if (line[0] < '2' || line[0] > '5' || ++lines_ > kMaxReplyLines) return false;
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return false;
  reply_.code = std::stoi(line.substr(0, 3));
  is_last_ = separator == ' ';
  keep(line.size() > 4 ? std::string_view(line).substr(4) : std::string_view());
  return true;
}

void SmtpReplyParser::keep(std::string_view text) {
  if (lines_ > 1) reply_.text += '\n';
  reply_.text += text;
  std::replace_if(reply_.text.end() - static_cast<std::ptrdiff_t>(text.size()), reply_.text.end(),
                  is_control, '?');
  if (reply_.text.size() > kMaxReplyBytesKept) reply_.text.resize(kMaxReplyBytesKept);
}

}  // namespace sluice::backends
