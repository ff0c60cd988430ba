#include "facts/mime_structure.h"

#include <algorithm>
#include <array>

#include "base/hex.h"
#include "base/text.h"

namespace sluice::facts {
namespace {

// A line and its place: [begin, end) without its line break, `next` behind it.
struct Line {
  std::string_view text;
  std::size_t begin = 0, next = 0;
};

Line line_at(std::string_view body, std::size_t at) {
  const std::size_t newline = body.find('\n', at);
  const std::size_t end = newline == std::string_view::npos ? body.size() : newline;
  std::string_view text = body.substr(at, end - at);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return {text, at, newline == std::string_view::npos ? body.size() : newline + 1};
}

std::string_view value_of(const std::vector<mail::Header>& headers, std::string_view name) {
  for (const mail::Header& header : headers)
    if (equal_folded(header.name, name)) return header.value;
  return {};
}

void describe(MimePart& part, const std::vector<mail::Header>& headers) {
  part.type = parse_mime_field(value_of(headers, "Content-Type"));
  if (part.type.value.find('/') == std::string::npos) part.type.value = "text/plain";
  part.disposition = parse_mime_field(value_of(headers, "Content-Disposition"));
  part.encoding = parse_mime_field(value_of(headers, "Content-Transfer-Encoding")).value;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

class Walker {
 public:
  explicit Walker(std::string_view body) : body_(body) {}

  MimeStructure walk(const std::vector<mail::Header>& headers) {
    MimePart whole;
    describe(whole, headers);
    open(std::move(whole), 0);
    while (at_ < body_.size() && !structure_.truncated) step();
    close(body_.size());
    return std::move(structure_);
  }

 private:
  struct Open {
    std::string boundary;
    bool closed = false;  // "--boundary--" was seen: what follows is epilogue
  };

  // A part begins here. Containers are entered at once, so that their first part is found.
  void open(MimePart part, std::size_t begin) {
    part.begin = part.end = begin;
    part.depth = stack_.size();
    at_ = begin;
    leaf_ = kNone;
    structure_.ambiguous =
        structure_.ambiguous || part.type.ambiguous || part.disposition.ambiguous;
    if (structure_.parts.size() >= kMaxParts) {
      structure_.truncated = true;
      return;
    }
    const std::string boundary(part.type.parameter("boundary"));
    const bool multipart = starts_with(part.type.value, "multipart/");
    part.is_container = (multipart && !boundary.empty()) || part.type.value == "message/rfc822";
    const bool deeper = stack_.size() + enclosed_ < kMaxMimeDepth;
    structure_.truncated = structure_.truncated || (part.is_container && !deeper);
    const bool is_message = part.type.value == "message/rfc822";
    const bool enter = part.is_container && deeper;
    structure_.parts.push_back(std::move(part));
    if (!enter) {
      leaf_ = structure_.parts.size() - 1;
    } else if (is_message) {
      ++enclosed_;
      open_enclosed();
      --enclosed_;
    } else {
      stack_.push_back({boundary, false});
    }
  }

  // message/rfc822: its headers, then its content as a part of its own.
  void open_enclosed() {
    const std::size_t holder = structure_.parts.size() - 1;
    const std::size_t begin = at_;
    MimePart content;
    describe(content, read_headers());
    structure_.parts[holder].headers =
        std::string(body_.substr(begin, std::min(at_ - begin, kMaxPartHeaderBytes)));
    open(std::move(content), at_);
  }

  void step() {
    const Line line = line_at(body_, at_);
    const std::size_t level = boundary_level(line.text);
    at_ = line.next;
    if (level == kNone) return;
    close(line.begin);
    stack_.resize(level + 1);  // inner ones that never ended end here
    Open& open_part = stack_[level];
    const std::string_view rest = line.text.substr(2 + open_part.boundary.size());
    if (starts_with(rest, "--")) {
      stack_.pop_back();
      return;
    }
    MimePart part;
    describe(part, read_headers());
    open(std::move(part), at_);
  }

  // Ends the open leaf before a boundary line; the line break in front of the boundary belongs to
  // it.
  void close(std::size_t end) {
    if (leaf_ == kNone) return;
    MimePart& part = structure_.parts[leaf_];
    if (end > part.begin && end < body_.size() && body_[end - 1] == '\n') --end;
    if (end > part.begin && end < body_.size() && body_[end - 1] == '\r') --end;
    part.end = std::max(part.begin, end);
    leaf_ = kNone;
  }

  // Index of the open multipart whose boundary the line is, the innermost first.
  std::size_t boundary_level(std::string_view line) const {
    if (!starts_with(line, "--")) return kNone;
    for (std::size_t i = stack_.size(); i-- > 0;) {
      const std::string& boundary = stack_[i].boundary;
      if (!starts_with(line.substr(2), boundary)) continue;
      std::string_view rest = line.substr(2 + boundary.size());
      if (starts_with(rest, "--")) rest.remove_prefix(2);
      if (trim(rest).empty()) return i;
    }
    return kNone;
  }

  std::vector<mail::Header> read_headers() {
    std::vector<mail::Header> headers;
    std::size_t bytes = 0;
    while (at_ < body_.size()) {
      const Line line = line_at(body_, at_);
      if (boundary_level(line.text) != kNone) break;
      at_ = line.next;
      if (line.text.empty()) break;
      bytes += line.text.size();
      if (bytes > kMaxPartHeaderBytes) continue;
      if (line.text[0] == ' ' || line.text[0] == '\t') {
        if (!headers.empty()) headers.back().value.append("\n").append(line.text);
        continue;
      }
      const std::size_t colon = line.text.find(':');
      if (colon != std::string_view::npos)
        headers.push_back({std::string(trim(line.text.substr(0, colon))),
                           std::string(line.text.substr(colon + 1))});
    }
    return headers;
  }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::string_view body_;
  MimeStructure structure_;
  std::vector<Open> stack_;
  std::size_t at_ = 0, leaf_ = kNone, enclosed_ = 0;
};

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::string decode_base64(std::string_view text, std::size_t cap) {
  std::string bytes;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=' || bytes.size() >= cap) break;
    const int value = base64_value(c);
    if (value < 0) continue;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 0xff);
  }
  return bytes;
}

std::string decode_quoted_printable(std::string_view text, std::size_t cap) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size() && bytes.size() < cap; ++i) {
    if (text[i] != '=') {
      bytes += text[i];
      continue;
    }
    const std::string_view rest = text.substr(i + 1, 2);
    if (starts_with(rest, "\r\n")) {
      i += 2;
    } else if (starts_with(rest, "\n")) {
      i += 1;
    } else if (rest.size() == 2 && hex_digit(rest[0]) >= 0 && hex_digit(rest[1]) >= 0) {
      bytes += static_cast<char>(hex_digit(rest[0]) * 16 + hex_digit(rest[1]));
      i += 2;
    } else {
      bytes += '=';
    }
  }
  return bytes;
}

}  // namespace

MimeStructure parse_structure(const std::vector<mail::Header>& headers, std::string_view body) {
  MimeStructure structure = Walker(body).walk(headers);
  const auto given = [&](std::string_view name) {
    return std::count_if(headers.begin(), headers.end(),
                         [&](const mail::Header& h) { return equal_folded(h.name, name); });
  };
  if (given("Content-Type") > 1 || given("Content-Transfer-Encoding") > 1)
    structure.ambiguous = true;
  return structure;
}

std::string decode_content(const MimePart& part, std::string_view body, std::size_t cap) {
  const std::string_view content = body.substr(part.begin, part.end - part.begin);
  if (part.encoding == "base64") return decode_base64(content, cap);
  if (part.encoding == "quoted-printable") return decode_quoted_printable(content, cap);
  return std::string(content.substr(0, cap));
}

}  // namespace sluice::facts
