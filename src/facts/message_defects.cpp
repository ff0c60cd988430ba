#include "facts/message_defects.h"

#include <glib.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"

namespace sluice::facts {
namespace {

constexpr std::size_t kMaxLine = 998;  // RFC 5322 2.1.1

constexpr std::array<std::string_view, 14> kSingleFields = {
    "date",       "from",        "sender",     "reply-to",     "to",
    "cc",         "bcc",         "message-id", "in-reply-to",  "references",
    "subject",    "mime-version", "content-type", "content-transfer-encoding"};

bool has_long_line(std::string_view body) {
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t newline = std::min(body.find('\n', at), body.size());
    const bool has_cr = newline > at && body[newline - 1] == '\r';
    if (newline - at - (has_cr ? 1 : 0) > kMaxLine) return true;
    at = newline + 1;
  }
  return false;
}

bool has_bare_lf(std::string_view body) {
  for (std::size_t at = body.find('\n'); at != std::string_view::npos; at = body.find('\n', at + 1))
    if (at == 0 || body[at - 1] != '\r') return true;
  return false;
}

// The last octet of what was kept may be half of a line end.
bool has_bare_cr(std::string_view body) {
  for (std::size_t at = body.find('\r'); at != std::string_view::npos; at = body.find('\r', at + 1))
    if (at + 1 < body.size() && body[at + 1] != '\n') return true;
  return false;
}

bool is_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return (octet < 0x20 && c != '\t' && c != '\n' && c != '\r') || octet == 0x7f;
}

bool any_header(const std::vector<mail::Header>& headers, bool (*is)(char)) {
  return std::any_of(headers.begin(), headers.end(), [is](const mail::Header& h) {
    return std::any_of(h.value.begin(), h.value.end(), is);
  });
}

struct Defect {
  std::string_view name;
  bool (*is_there)(const mail::Message& message, const MimeStructure& structure);
};

// In the order of their names.
constexpr Defect kDefects[] = {
    {"ambiguous-mime", [](const mail::Message&, const MimeStructure& s) { return s.ambiguous; }},
    {"bare-cr", [](const mail::Message& m, const MimeStructure&) { return has_bare_cr(m.body); }},
    {"bare-lf", [](const mail::Message& m, const MimeStructure&) { return has_bare_lf(m.body); }},
    {"control-in-header",
     [](const mail::Message& m, const MimeStructure&) { return any_header(m.headers, is_control); }},
    {"duplicate-field",
     [](const mail::Message& m, const MimeStructure&) {
       return !duplicated_fields(m.headers).empty();
     }},
    {"eight-bit-header",
     [](const mail::Message& m, const MimeStructure&) {
       return any_header(m.headers, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
     }},
    {"long-line",
     [](const mail::Message& m, const MimeStructure&) { return has_long_line(m.body); }},
    {"nul",
     [](const mail::Message& m, const MimeStructure&) {
       return m.body.find('\0') != std::string::npos;
     }},
    {"too-complex", [](const mail::Message&, const MimeStructure& s) { return s.truncated; }},
};

std::string iso_15924(GUnicodeScript script) {
  const guint32 code = g_unicode_script_to_iso15924(script);
  std::string name;
  for (int shift = 24; shift >= 0; shift -= 8) name += static_cast<char>(code >> shift & 0xff);
  return name;
}

bool is_of_no_script(GUnicodeScript script) {
  return script == G_UNICODE_SCRIPT_COMMON || script == G_UNICODE_SCRIPT_INHERITED ||
         script == G_UNICODE_SCRIPT_UNKNOWN;
}

}  // namespace

std::vector<std::string> defects_of(const mail::Message& message, const MimeStructure& structure) {
  std::vector<std::string> found;
  for (const Defect& defect : kDefects)
    if (defect.is_there(message, structure)) found.emplace_back(defect.name);
  return found;
}

std::vector<std::string> duplicated_fields(const std::vector<mail::Header>& headers) {
  std::array<int, kSingleFields.size()> seen{};
  for (const mail::Header& header : headers) {
    for (std::size_t i = 0; i < kSingleFields.size(); ++i)
      if (equal_folded(header.name, kSingleFields[i])) ++seen[i];
  }
  std::vector<std::string> found;
  for (std::size_t i = 0; i < kSingleFields.size(); ++i)
    if (seen[i] > 1) found.emplace_back(kSingleFields[i]);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> scripts_of(std::string_view utf8) {
  utf8 = utf8.substr(0, kMaxScriptText);
  std::vector<GUnicodeScript> found;
  for (std::size_t at = 0; at < utf8.size();) {
    const CodePoint point = decode_utf8(utf8, at);
    at += std::max<std::size_t>(point.length, 1);
    if (point.length == 0) continue;
    const GUnicodeScript script = g_unichar_get_script(static_cast<gunichar>(point.value));
    if (is_of_no_script(script) || std::find(found.begin(), found.end(), script) != found.end())
      continue;
    found.push_back(script);
  }
  std::vector<std::string> names;
  for (const GUnicodeScript script : found) names.push_back(iso_15924(script));
  return names;
}

}  // namespace sluice::facts
