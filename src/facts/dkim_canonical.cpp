#include "facts/dkim_canonical.h"

#include "facts/tag_list.h"

namespace sluice::facts {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_line_end(std::string_view text, std::size_t at) {
  return text[at] == '\n' || (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n');
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_simple(std::string& out, std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!is_line_end(value, i)) {
      out.push_back(value[i]);
      continue;
    }
    if (value[i] == '\r') ++i;
    out += "\r\n";
  }
}

// 3.4.2: unfolded, runs of blanks are one blank, none at the ends.
void append_relaxed(std::string& out, std::string_view value) {
  bool blank = false, begun = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (is_line_end(value, i)) {
      if (value[i] == '\r') ++i;
      continue;
    }
    if (is_blank(value[i])) {
      blank = true;
      continue;
    }
    if (blank && begun) out.push_back(' ');
    blank = false;
    begun = true;
    out.push_back(value[i]);
  }
}

}  // namespace

void append_canonical_field(std::string& out, Canonical form, std::string_view name,
                            std::string_view value) {
  if (form == Canonical::Simple) {
    out += name;
    out.push_back(':');
    return append_simple(out, value);
  }
  for (const char c : trim_folding(name)) out.push_back(lower(c));
  out.push_back(':');
  append_relaxed(out, value);
}

void CanonicalBody::feed(std::string_view chunk, const Sink& sink) {
  for (const char c : chunk) take(c, sink);
  flush(sink);
}

void CanonicalBody::take(char c, const Sink& sink) {
  if (c == '\n') {
    after_cr_ = false;
    return take_line_end();
  }
  if (after_cr_) take_byte('\r', sink);
  after_cr_ = c == '\r';
  if (!after_cr_) take_byte(c, sink);
}

void CanonicalBody::take_line_end() {
  blank_ = false;
  ++line_ends_;
}

void CanonicalBody::take_byte(char c, const Sink& sink) {
  if (form_ == Canonical::Relaxed && is_blank(c)) {
    blank_ = true;
    return;
  }
  for (; line_ends_ > 0; --line_ends_) {
    emit('\r', sink);
    emit('\n', sink);
  }
  if (blank_) emit(' ', sink);
  blank_ = false;
  has_content_ = true;
  emit(c, sink);
}

// 3.4.3 and 3.4.4: the empty lines at the end go, a last line has an end; an empty body is one line
// end in the simple form and nothing in the relaxed one.
void CanonicalBody::end(const Sink& sink) {
  if (after_cr_) take_byte('\r', sink);
  if (has_content_ || form_ == Canonical::Simple) {
    emit('\r', sink);
    emit('\n', sink);
  }
  flush(sink);
}

void CanonicalBody::emit(char c, const Sink& sink) {
  if (filled_ == buffer_.size()) flush(sink);
  buffer_[filled_++] = c;
}

void CanonicalBody::flush(const Sink& sink) {
  if (filled_ > 0) sink({buffer_.data(), filled_});
  filled_ = 0;
}

}  // namespace sluice::facts
