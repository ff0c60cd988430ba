// MessageContent: a message parsed once, for all facts about it. Everything has a cap; what lies
// beyond is not looked at and `truncated` says so. Immutable; any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "facts/mime_structure.h"
#include "mail/session_view.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxBodyText = 256 * 1024;  // bytes of decoded text
inline constexpr std::size_t kMaxAttachments = 500;
inline constexpr std::size_t kMaxMailboxes = 1'000;          // of all From fields
inline constexpr std::size_t kMaxDecodedHeader = 64 * 1024;  // bytes of one value

struct Attachment {
  std::string name;       // decoded, empty when the part has none
  std::string ext;        // "exe"; empty without one
  std::string type;       // application/zip
  std::int64_t size = 0;  // decoded
  bool encrypted = false;
  bool macros = false;
  std::optional<std::vector<std::string>> members;  // nullopt: cannot be read
};

struct Mailbox {
  std::string name;     // decoded display name
  std::string address;  // domain as A-labels; empty when it cannot be read for certain
};

class MessageContent {
 public:
  // At stage headers there is no body yet.
  static std::shared_ptr<const MessageContent> parse(const mail::Message& message, bool with_body);

  // First of that name: decoded (RFC 2047) and unfolded; nullptr when absent.
  const std::string* header(std::string_view name) const;
  // First of that name as sent, unfolded only.
  std::optional<std::string> raw_header(std::string_view name) const;
  const std::vector<mail::Header>& headers() const { return headers_; }  // decoded, unfolded
  std::size_t count(std::string_view name) const;
  const std::vector<Mailbox>& from() const { return from_; }

  bool has_body() const { return has_body_; }
  const MimeStructure& structure() const { return structure_; }
  const std::vector<Attachment>& attachments() const { return attachments_; }
  const std::string& text() const { return text_; }
  bool truncated() const { return truncated_; }
  const std::vector<std::string>& charsets() const { return charsets_; }
  std::int64_t longest_line() const { return longest_line_; }
  const std::string& digest() const { return digest_; }  // hex, of body and subject
  const std::vector<std::string>& defects() const { return defects_; }  // facts/message_defects.h

 private:
  void read_headers(const mail::Message& message);
  void read_body(const mail::Message& message);
  void read_part(const MimePart& part, std::string_view body);

  std::vector<mail::Header> headers_;
  std::vector<std::string> raw_;  // values as sent, unfolded
  std::vector<Mailbox> from_;
  MimeStructure structure_;
  std::vector<Attachment> attachments_;
  std::string text_;
  bool truncated_ = false, has_body_ = false;
  std::vector<std::string> charsets_;
  std::int64_t longest_line_ = 0;
  std::string digest_;
  std::vector<std::string> defects_;
};

// Lower-case text behind the last dot, after trailing dots, blanks and controls are taken off;
// empty without a dot.
std::string extension_of(std::string_view file_name);
// RFC 5322 date of a Date field.
std::optional<TimePoint> parse_mail_date(std::string_view value);

}  // namespace sluice::facts
