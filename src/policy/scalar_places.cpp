#include "policy/scalar_places.h"

#include <algorithm>
#include <array>

namespace sluice::policy {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }

std::size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

class Walker {
 public:
  Walker(const SourceFilePtr& file, FileCursor at, std::string_view value)
      : at_(at), value_(value), builder_(file) {}

  PlacedScalar walk() {
    switch (at_.peek()) {
      case '"':
        return quoted('"');
      case '\'':
        return quoted('\'');
      case '|':
      case '>':
        return block();
      default:
        return plain();
    }
  }

 private:
  bool done() const { return next_ >= value_.size(); }

  // The next byte of the value stands where the cursor is; the cursor stays.
  void emit() { builder_.add(value_[next_++], at_.line, at_.column); }

  // Once text and file disagree the rest is placed as if nothing were in between: inexact, never
  // out of the file by lines.
  void emit_rest() {
    for (; !done(); at_.advance(at_.at_end() || is_break(at_.peek()) ? 0 : 1)) emit();
  }

  Scalar finish() { return builder_.finish(at_.line, at_.column); }

  // Blanks around line breaks are one blank in the text, n+1 breaks are n; false when there is no
  // break here.
  bool fold() {
    FileCursor ahead = at_;
    while (is_blank(ahead.peek())) ahead.advance();
    if (!is_break(ahead.peek()) || ahead.at_end()) return false;
    while (!ahead.at_end() && (is_blank(ahead.peek()) || is_break(ahead.peek()))) ahead.advance();
    if (!done() && value_[next_] == ' ') {
      emit();
    } else {
      while (!done() && value_[next_] == '\n') emit();
    }
    at_ = ahead;
    return true;
  }

  bool same_byte() {
    if (done() || at_.at_end() || at_.peek() != value_[next_]) return false;
    emit();
    at_.advance();
    return true;
  }

  PlacedScalar plain() {
    while (!done()) {
      if (!same_byte() && !fold()) {
        emit_rest();
        break;
      }
    }
    PlacedScalar placed;
    FileCursor ahead = at_;
    while (is_blank(ahead.peek())) ahead.advance();
    placed.commented = ahead.offset > at_.offset && ahead.peek() == '#';
    placed.scalar = finish();
    return placed;
  }

  // \x41 \u20AC \n … and the break that a backslash takes away.
  void escape() {
    if (is_break(at_.peek(1))) {
      at_.advance();
      while (!at_.at_end() && (is_blank(at_.peek()) || is_break(at_.peek()))) at_.advance();
      return;
    }
    const char kind = at_.peek(1);
    const std::size_t written = 2 + (kind == 'x' ? 2u : kind == 'u' ? 4u : kind == 'U' ? 8u : 0u);
    const std::size_t meant = done() ? 0 : utf8_length(value_[next_]);
    for (std::size_t i = 0; i < meant && !done(); ++i) emit();
    at_.advance(written);
  }

  PlacedScalar quoted(char quote) {
    at_.advance();
    bool closed = false;
    while (!at_.at_end() && !closed) {
      const char c = at_.peek();
      if (c == '\\' && quote == '"') {
        escape();
      } else if (c == quote && quote == '\'' && at_.peek(1) == quote && !done()) {
        emit();
        at_.advance(2);
      } else if (c == quote) {
        closed = true;
      } else if (!fold() && !same_byte()) {
        break;
      }
    }
    PlacedScalar placed;
    placed.quoted = true;
    placed.closed = closed || !at_.at_end();
    emit_rest();
    placed.scalar = finish();
    return placed;
  }

  void next_line() {
    while (!at_.at_end() && at_.peek() != '\n') at_.advance();
    if (!at_.at_end()) at_.advance();
  }

  // Blanks in front of the first line with text, less those that belong to the text.
  std::size_t block_indent() const {
    FileCursor ahead = at_;
    std::size_t indent = 0;
    while (!ahead.at_end()) {
      if (ahead.peek() == ' ')
        ++indent;
      else if (is_break(ahead.peek()))
        indent = 0;
      else
        break;
      ahead.advance();
    }
    const std::size_t text = value_.find_first_not_of("\n");
    if (text == std::string_view::npos) return indent;
    const std::size_t own = std::min(value_.find_first_not_of(' ', text), value_.size()) - text;
    return indent - std::min(indent, own);
  }

  PlacedScalar block() {
    next_line();
    const std::size_t indent = block_indent();
    while (!done() && !at_.at_end()) {
      for (std::size_t i = 0; i < indent && at_.peek() == ' '; ++i) at_.advance();
      while (!at_.at_end() && !is_break(at_.peek()))
        if (!same_byte()) break;
      if (!at_.at_end() && !is_break(at_.peek())) break;
      if (!done() && (value_[next_] == '\n' || value_[next_] == ' ')) emit();
      next_line();
    }
    PlacedScalar placed;
    placed.quoted = true;
    emit_rest();
    placed.scalar = finish();
    return placed;
  }

  FileCursor at_;
  std::string_view value_;
  std::size_t next_ = 0;  // byte of value_ that is placed next
  ScalarBuilder builder_;
};

}  // namespace

void FileCursor::advance(std::size_t bytes) {
  for (; bytes > 0 && !at_end(); --bytes) {
    const bool broken = text[offset++] == '\n';
    line += broken ? 1 : 0;
    column = broken ? 1 : column + 1;
  }
}

PlacedScalar place_scalar(const SourceFilePtr& file, FileCursor at, std::string_view value) {
  return Walker(file, at, value).walk();
}

}  // namespace sluice::policy
