#include "facts/message_content.h"

#include <gmime/gmime.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "facts/archive.h"
#include "facts/message_defects.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::facts {
namespace {

constexpr std::size_t kMaxDecodedPart = 16u << 20;

// GMime keeps tables of charsets that have to be made once, before its first use.
void prepare_gmime() {
  static const bool ready = [] {
    g_mime_init();
    return true;
  }();
  (void)ready;
}

std::string take(char* text) {
  std::string result = text != nullptr ? text : "";
  g_free(text);
  return result;
}

// Continuation lines become one, leading and trailing blanks go.
std::string unfold(std::string_view value) {
  std::string result;
  for (const char c : value.substr(0, kMaxDecodedHeader))
    if (c != '\r' && c != '\n') result += c == '\0' ? '?' : c;
  return std::string(trim(result));
}

std::string decode_words(const std::string& text) {
  return take(g_mime_utils_header_decode_text(nullptr, text.c_str()));
}

// Domain as A-labels; empty when the text is no mailbox: an address is never a guess.
std::string certain_address(const char* text) {
  const auto parsed = mail::parse_mailbox(text != nullptr ? text : "", mail::Utf8::Allowed);
  return parsed ? parsed->to_string() : std::string();
}

void collect(InternetAddressList* list, std::vector<Mailbox>& mailboxes, int depth) {
  constexpr int kMaxGroups = 4;
  const int length = internet_address_list_length(list);
  for (int i = 0; i < length && mailboxes.size() < kMaxMailboxes; ++i) {
    InternetAddress* entry = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(entry)) {
      if (depth < kMaxGroups)
        collect(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(entry)), mailboxes,
                depth + 1);
    } else if (INTERNET_ADDRESS_IS_MAILBOX(entry)) {
      const char* name = internet_address_get_name(entry);
      mailboxes.push_back(
          {name != nullptr ? name : "",
           certain_address(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(entry)))});
    }
  }
}

void parse_mailboxes(const std::string& value, std::vector<Mailbox>& mailboxes) {
  InternetAddressList* list = internet_address_list_parse(nullptr, value.c_str());
  if (list == nullptr) return;
  collect(list, mailboxes, 0);
  g_object_unref(list);
}

std::string hex_digest(std::string_view first, std::string_view second) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  EVP_DigestUpdate(context, first.data(), first.size());
  EVP_DigestUpdate(context, second.data(), second.size());
  EVP_DigestFinal_ex(context, bytes.data(), &length);
  EVP_MD_CTX_free(context);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < 16 && i < length; ++i)
    text.append({kHex[bytes[i] >> 4], kHex[bytes[i] & 15]});
  return text;
}

std::int64_t longest_line(std::string_view body) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t newline = std::min(body.find('\n', at), body.size());
    std::size_t length = newline - at;
    if (length > 0 && body[newline - 1] == '\r') --length;
    longest = std::max(longest, length);
    at = newline + 1;
  }
  return static_cast<std::int64_t>(longest);
}

bool has_macros(std::string_view content, const Attachment& attachment) {
  static constexpr std::array<std::string_view, 8> kMacroTypes = {"docm", "dotm", "xlsm", "xltm",
                                                                  "xlam", "pptm", "potm", "ppsm"};
  if (std::find(kMacroTypes.begin(), kMacroTypes.end(), attachment.ext) != kMacroTypes.end())
    return true;
  if (attachment.members)
    for (const std::string& member : *attachment.members)
      if (fold(member).find("vbaproject.bin") != std::string::npos) return true;
  // Old Office files (OLE2) name the storage of their macros in UTF-16.
  static constexpr std::string_view kOle("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
  static constexpr std::string_view kVba("_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T", 23);
  return content.substr(0, 8) == kOle && content.find(kVba) != std::string_view::npos;
}

Attachment describe(const MimePart& part, std::string name, const std::string& content) {
  Attachment attachment;
  attachment.ext = extension_of(name);
  attachment.name = std::move(name);
  attachment.type = part.type.value;
  attachment.size = static_cast<std::int64_t>(content.size());
  attachment.members.emplace();
  if (looks_like_zip(content)) {
    auto archive = read_zip(content);
    attachment.encrypted = archive && archive->encrypted;
    if (archive && !archive->encrypted) {
      attachment.members = std::move(archive->members);
    } else {
      attachment.members.reset();
    }
  }
  attachment.macros = has_macros(content, attachment);
  return attachment;
}

std::string file_name(const MimePart& part) {
  std::string_view name = part.disposition.parameter("filename");
  if (name.empty()) name = part.type.parameter("name");
  prepare_gmime();
  return decode_words(std::string(name));  // many senders put RFC 2047 words here
}

bool is_text(const MimePart& part) { return part.type.value.compare(0, 5, "text/") == 0; }

}  // namespace

std::shared_ptr<const MessageContent> MessageContent::parse(const mail::Message& message,
                                                            bool with_body) {
  prepare_gmime();
  auto content = std::make_shared<MessageContent>();
  content->read_headers(message);
  if (with_body) content->read_body(message);
  return content;
}

void MessageContent::read_headers(const mail::Message& message) {
  for (const mail::Header& header : message.headers) {
    raw_.push_back(unfold(header.value));
    headers_.push_back({header.name, decode_words(raw_.back())});
    if (equal_folded(header.name, "From") && from_.size() < kMaxMailboxes)
      parse_mailboxes(raw_.back(), from_);
  }
}

void MessageContent::read_body(const mail::Message& message) {
  has_body_ = true;
  structure_ = parse_structure(message.headers, message.body);
  longest_line_ = facts::longest_line(message.body);
  defects_ = defects_of(message, structure_);
  const std::string* subject = header("Subject");
  digest_ = hex_digest(message.body, subject != nullptr ? *subject : std::string());
  truncated_ = message.body_truncated || structure_.truncated;
  for (const MimePart& part : structure_.parts) read_part(part, message.body);
}

void MessageContent::read_part(const MimePart& part, std::string_view body) {
  if (!part.headers.empty() && text_.size() < kMaxBodyText) text_ += part.headers + "\n";
  std::string name = file_name(part);
  const bool attached = !name.empty() || part.disposition.value == "attachment" ||
                        (!is_text(part) && !part.is_container);
  if (part.is_container && name.empty()) return;
  const std::string content = decode_content(part, body, kMaxDecodedPart);
  if (attached && attachments_.size() < kMaxAttachments) {
    attachments_.push_back(describe(part, std::move(name), content));
  } else if (attached) {
    truncated_ = true;
  }
  if (!is_text(part)) return;
  const std::string charset(part.type.parameter("charset"));
  const std::string folded = fold(charset.empty() ? "us-ascii" : charset);
  if (std::find(charsets_.begin(), charsets_.end(), folded) == charsets_.end())
    charsets_.push_back(folded);
  if (attached) return;
  if (text_.size() + content.size() > kMaxBodyText) truncated_ = true;
  if (text_.size() < kMaxBodyText)
    text_ += to_utf8(std::string_view(content).substr(0, kMaxBodyText - text_.size()), charset);
}

const std::string* MessageContent::header(std::string_view name) const {
  for (const mail::Header& header : headers_)
    if (equal_folded(header.name, name)) return &header.value;
  return nullptr;
}

std::optional<std::string> MessageContent::raw_header(std::string_view name) const {
  for (std::size_t i = 0; i < headers_.size(); ++i)
    if (equal_folded(headers_[i].name, name)) return raw_[i];
  return std::nullopt;
}

std::size_t MessageContent::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(headers_.begin(), headers_.end(),
                    [&](const mail::Header& h) { return equal_folded(h.name, name); }));
}

std::string extension_of(std::string_view file_name) {
  const auto is_tail = [](char c) {
    return c == '.' || static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  };
  while (!file_name.empty() && is_tail(file_name.back())) file_name.remove_suffix(1);
  const std::size_t dot = file_name.rfind('.');
  const std::size_t slash = file_name.find_last_of("/\\");
  if (dot == std::string_view::npos || (slash != std::string_view::npos && slash > dot)) return {};
  return fold(file_name.substr(dot + 1));
}

std::optional<TimePoint> parse_mail_date(std::string_view value) {
  GDateTime* date = g_mime_utils_header_decode_date(std::string(value).c_str());
  if (date == nullptr) return std::nullopt;
  const auto seconds = g_date_time_to_unix(date);
  g_date_time_unref(date);
  return TimePoint(std::chrono::seconds(seconds));
}

}  // namespace sluice::facts
