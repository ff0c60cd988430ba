#include "mail/reply.h"

#include <algorithm>

#include "base/text.h"
#include "base/utf8.h"

namespace sluice::mail {
namespace {

constexpr std::string_view kCut = "...";  // ends a text that did not fit

// Controls, and marks that turn the direction of the text around them: a bounce must read as it was
// written.
bool is_unprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || (c >= 0x200E && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

// Takes the next line off `rest`: up to kMaxReplyText octets, ended at a word's end where there is
// one.
std::string_view take_line(std::string_view& rest) {
  if (rest.size() <= kMaxReplyText) return std::exchange(rest, {});
  const std::size_t blank = rest.rfind(' ', kMaxReplyText);
  const bool at_word_end = blank != std::string_view::npos && blank > 0;
  const std::string_view line =
      at_word_end ? rest.substr(0, blank) : utf8_prefix(rest, kMaxReplyText);
  rest = trim(rest.substr(line.size()));
  return trim(line);
}

void cut_line(std::string& line) {
  line.resize(utf8_prefix(line, kMaxReplyText - kCut.size()).size());
  line += kCut;
}

std::vector<std::string> wrap(std::string_view text, std::size_t most_lines) {
  std::vector<std::string> lines;
  std::string_view rest = trim(text);
  while (!rest.empty() && lines.size() < most_lines) lines.emplace_back(take_line(rest));
  if (!rest.empty()) cut_line(lines.back());
  return lines;
}

}  // namespace

std::string clean_reply_text(std::string_view text, bool utf8) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const bool allowed = point.length == 1 || (utf8 && point.length > 1);
    if (allowed && !is_unprintable(point.value)) {
      clean += text.substr(at, point.length);
    } else {
      clean += '?';
    }
    at += std::max<std::size_t>(point.length, 1);
  }
  return clean;
}

Result<Reply> Reply::make(int code, EnhancedStatus status, std::string_view text,
                          std::string_view help, bool smtputf8) {
  const ReplyCode* const row = find_reply_code(code);
  if (row == nullptr || !row->by_policy)
    return config_error(std::to_string(code) + " is not a reply code of the table");
  if (status.status_class != code / 100 || status.subject > 999 || status.detail > 999) {
    return config_error("enhanced code " + status.to_string() + " does not fit " +
                        std::to_string(code));
  }
  Reply reply;
  reply.code_ = code;
  reply.status_ = status;
  const std::vector<std::string> last = wrap(clean_reply_text(help, smtputf8), 1);
  reply.lines_ = wrap(clean_reply_text(text, smtputf8), kMaxReplyLines - last.size());
  if (reply.lines_.empty()) reply.lines_.emplace_back(default_text(code, status));
  reply.lines_.insert(reply.lines_.end(), last.begin(), last.end());
  return reply;
}

std::string Reply::text() const {
  std::string joined;
  for (const std::string& line : lines_) joined += (joined.empty() ? "" : " ") + line;
  return joined;
}

std::vector<std::string> Reply::wire_lines() const {
  std::vector<std::string> wire;
  wire.reserve(lines_.size());
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const char mark = i + 1 < lines_.size() ? '-' : ' ';
    wire.push_back(std::to_string(code_) + mark + status_.to_string() + ' ' + lines_[i]);
  }
  return wire;
}

}  // namespace sluice::mail
