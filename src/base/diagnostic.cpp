#include "base/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "base/utf8.h"

namespace sluice {
namespace {

constexpr std::string_view kIndent = "        ";
constexpr std::size_t kMaxShownLine = 200;  // octets of a source line that are shown
constexpr std::size_t kShownBefore = 100;  // of these, in front of the span when the line is longer
constexpr std::size_t kMaxWord = 64;       // longer words get no suggestion

// A source line as a terminal may show it, and where its carets go.
struct Excerpt {
  std::string text;
  std::string carets;
};

// What a terminal takes for itself, and what is no UTF-8, is not shown as it stands.
bool is_shown(const CodePoint& point) {
  const bool is_control = point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0);
  return point.length > 0 && !is_control;
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

// The part of the line that is shown: all behind the indentation, or a window around the span.
std::string_view shown_part(std::string_view line, std::size_t span_start) {
  std::size_t start = std::min(indentation(line), span_start);
  if (line.size() - start > kMaxShownLine && span_start - start > kShownBefore)
    start = span_start - kShownBefore;
  while (start > 0 && start < span_start && decode_utf8(line, start).length == 0) ++start;
  return utf8_prefix(line.substr(start), kMaxShownLine);
}

// Code points one by one, so that a caret stands under the character that a person sees.
Excerpt excerpt_of(std::string_view line, std::size_t span_start, std::size_t span_length) {
  span_start = std::min(span_start, line.size());
  const std::string_view shown = shown_part(line, span_start);
  const auto offset = static_cast<std::size_t>(shown.data() - line.data());
  Excerpt excerpt;
  for (std::size_t at = 0; at < shown.size();) {
    const CodePoint point = decode_utf8(shown, at);
    const std::size_t length = std::max<std::size_t>(point.length, 1);
    if (is_shown(point)) {
      excerpt.text += shown.substr(at, length);
    } else {
      excerpt.text += point.value == '\t' ? ' ' : '?';
    }
    const std::size_t column = offset + at;
    if (column + length <= span_start) {
      excerpt.carets += ' ';
    } else if (column < span_start + span_length && column > span_start) {
      excerpt.carets += '~';
    } else if (column <= span_start) {
      excerpt.carets += '^';
    }
    at += length;
  }
  if (excerpt.carets.find('^') == std::string::npos) excerpt.carets += '^';
  return excerpt;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const std::size_t length = std::max<std::size_t>(point.length, 1);
    line += is_shown(point) ? text.substr(at, length) : std::string_view("?");
    at += length;
  }
  return line;
}

auto sort_key(const Diagnostic& d) {
  return std::make_tuple(d.span.file ? std::string_view(d.span.file->name()) : std::string_view(),
                         d.span.line, d.span.column);
}

// Optimal string alignment: inserted, deleted, changed or swapped letters; case does not count.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

SourceFile::SourceFile(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)) {
  for (std::size_t start = 0; start < text_.size();) {
    starts_.push_back(start);
    const std::size_t end = text_.find('\n', start);
    start = end == std::string::npos ? text_.size() : end + 1;
  }
}

std::string_view SourceFile::line(std::uint32_t number) const {
  if (number == 0 || number > starts_.size()) return {};
  const std::size_t start = starts_[number - 1];
  const std::size_t end = number < starts_.size() ? starts_[number] : text_.size();
  std::string_view found = std::string_view(text_).substr(start, end - start);
  if (!found.empty() && found.back() == '\n') found.remove_suffix(1);
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

void Diagnostics::error(std::string code, SourceSpan span, std::string message) {
  add({Severity::Error, std::move(code), std::move(message), std::move(span)});
}

void Diagnostics::warning(std::string code, SourceSpan span, std::string message) {
  add({Severity::Warning, std::move(code), std::move(message), std::move(span)});
}

void Diagnostics::append(const Diagnostics& other) {
  // What `other` counted but did not keep counts here too.
  const std::size_t errors = errors_ + other.errors_;
  const std::size_t warnings = warnings_ + other.warnings_;
  for (const Diagnostic& diagnostic : other.list_) add(diagnostic);
  errors_ = errors;
  warnings_ = warnings;
}

void Diagnostics::add(Diagnostic diagnostic) {
  ++(diagnostic.severity == Severity::Error ? errors_ : warnings_);
  if (list_.size() < kMaxDiagnostics) list_.push_back(std::move(diagnostic));
}

std::string Diagnostics::render() const {
  std::vector<const Diagnostic*> order;
  order.reserve(list_.size());
  for (const Diagnostic& diagnostic : list_) order.push_back(&diagnostic);
  std::stable_sort(order.begin(), order.end(), [](const Diagnostic* a, const Diagnostic* b) {
    return sort_key(*a) < sort_key(*b);
  });
  std::string text;
  for (const Diagnostic* diagnostic : order) text += sluice::render(*diagnostic);
  return text;
}

std::string render(const Diagnostic& diagnostic) {
  const SourceSpan& span = diagnostic.span;
  const bool placed = span.file && span.line > 0;
  std::string text;
  if (span.file) text += span.file->name() + ':';
  if (placed) text += std::to_string(span.line) + ':' + std::to_string(span.column) + ':';
  if (!text.empty()) text += ' ';
  text += diagnostic.severity == Severity::Error ? "error " : "warning ";
  text += diagnostic.code + ": " + one_line(diagnostic.message) + '\n';
  if (!placed || span.line > span.file->line_count()) return text;
  const std::size_t start = span.column > 0 ? span.column - 1 : 0;
  const Excerpt excerpt =
      excerpt_of(span.file->line(span.line), start, std::max<std::size_t>(span.length, 1));
  text += std::string(kIndent) + excerpt.text + '\n';
  return text + std::string(kIndent) + excerpt.carets + '\n';
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  if (word.size() > kMaxWord) return best;
  const std::string folded = fold(word);
  std::size_t best_distance = word.size() / 3 + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kMaxWord) continue;
    const std::size_t distance = edit_distance(folded, fold(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace sluice
