#include "facts/mime_parameters.h"

#include <glib.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/hex.h"
#include "base/text.h"

namespace sluice::facts {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool ends_token(char c) { return is_blank(c) || c == ';' || c == '(' || c == '"'; }

std::string decode_percent(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      bytes += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

// Reads the field from left to right; comments count as blanks.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void next() { ++at_; }
  void skip_blanks() {
    while (!at_end() && (is_blank(peek()) || peek() == '(')) {
      if (peek() == '(') {
        skip_comment();
      } else {
        next();
      }
    }
  }
  void skip_to_semicolon() {
    while (!at_end() && peek() != ';') next();
    if (!at_end()) next();
  }
  std::string token(std::string_view also_ends) {
    std::string result;
    while (!at_end() && !ends_token(peek()) && also_ends.find(peek()) == std::string_view::npos) {
      if (result.size() < kMaxParameterBytes) result += peek();
      next();
    }
    return result;
  }
  // False in `closed` when the closing quote is missing.
  std::string quoted(bool& closed) {
    std::string result;
    next();
    while (!at_end() && peek() != '"') {
      if (peek() == '\\' && at_ + 1 < text_.size()) next();
      if (result.size() < kMaxParameterBytes && peek() != '\r' && peek() != '\n') result += peek();
      next();
    }
    closed = !at_end();
    if (closed) next();
    return result;
  }

 private:
  void skip_comment() {
    int depth = 0;
    do {
      if (peek() == '\\') {
        next();
      } else if (peek() == '(') {
        ++depth;
      } else if (peek() == ')') {
        --depth;
      }
      next();
    } while (depth > 0 && !at_end());
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

// Pieces of one RFC 2231 parameter: name*0*=…; name*1=…
struct Pieces {
  std::map<int, std::pair<std::string, bool>> parts;  // number -> text, percent-encoded
  bool twice = false;
};

struct Name {
  std::string base;
  int number = 0;
  bool encoded = false, numbered = false;
};

Name split_name(const std::string& name) {
  Name result;
  std::string_view rest = name;
  if (!rest.empty() && rest.back() == '*') {
    result.encoded = true;
    rest.remove_suffix(1);
  }
  const std::size_t star = rest.rfind('*');
  const std::string_view digits =
      star == std::string_view::npos ? std::string_view() : rest.substr(star + 1);
  if (!digits.empty() && digits.size() <= 3 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    result.number = std::stoi(std::string(digits));
    result.numbered = true;
    rest = rest.substr(0, star);
  }
  result.base = fold(rest);
  return result;
}

// charset'language'text, the prefix only in the first piece.
std::string join(const Pieces& pieces) {
  std::string charset = "utf-8", bytes;
  bool first = true;
  for (const auto& [number, part] : pieces.parts) {
    std::string_view text = part.first;
    if (part.second && first) {
      const std::size_t one = text.find('\'');
      const std::size_t two = one == std::string_view::npos ? one : text.find('\'', one + 1);
      if (two != std::string_view::npos) {
        charset = std::string(text.substr(0, one));
        text = text.substr(two + 1);
      }
    }
    first = false;
    bytes += part.second ? decode_percent(text) : std::string(text);
  }
  return to_utf8(bytes, charset.empty() ? "utf-8" : charset);
}

}  // namespace

std::string to_utf8(std::string_view bytes, std::string_view charset) {
  const std::string from =
      charset.empty() || fold(charset) == "us-ascii" ? "UTF-8" : std::string(charset);
  gsize length = 0;
  const std::unique_ptr<gchar, decltype(&g_free)> converted(
      g_convert_with_fallback(bytes.data(), static_cast<gssize>(bytes.size()), "UTF-8",
                              from.c_str(), "?", nullptr, &length, nullptr),
      &g_free);
  if (converted) return std::string(converted.get(), length);
  std::string result;
  for (const char c : bytes) result += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  if (g_utf8_validate(bytes.data(), static_cast<gssize>(bytes.size()), nullptr) != 0)
    return std::string(bytes);
  return result;
}

std::string_view MimeField::parameter(std::string_view name) const {
  for (const auto& [key, text] : parameters)
    if (key == name) return text;
  return {};
}

MimeField parse_mime_field(std::string_view text) {
  MimeField field;
  Cursor cursor(text);
  cursor.skip_blanks();
  field.value = fold(cursor.token(""));
  cursor.skip_to_semicolon();
  std::vector<std::pair<std::string, Pieces>> found;
  for (std::size_t n = 0; n < kMaxParameters && !cursor.at_end(); ++n) {
    cursor.skip_blanks();
    const Name name = split_name(cursor.token("="));
    cursor.skip_blanks();
    if (cursor.peek() != '=') {
      cursor.skip_to_semicolon();
      continue;
    }
    cursor.next();
    cursor.skip_blanks();
    bool closed = true;
    std::string text_of = cursor.peek() == '"' ? cursor.quoted(closed) : cursor.token("");
    cursor.skip_to_semicolon();
    field.ambiguous = field.ambiguous || !closed;
    auto at = std::find_if(found.begin(), found.end(),
                           [&](const auto& f) { return f.first == name.base; });
    if (at == found.end()) at = found.insert(found.end(), {name.base, {}});
    const bool added =
        at->second.parts.emplace(name.number, std::make_pair(std::move(text_of), name.encoded))
            .second;
    field.ambiguous = field.ambiguous || !added;
  }
  for (auto& [name, pieces] : found) field.parameters.emplace_back(name, join(pieces));
  return field;
}

}  // namespace sluice::facts
